//! Values of TLA+, as TLC prints them.

use std::collections::BTreeMap;

/// A value. Numbers, Booleans, strings and model values are all words here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    Word(String),
    Set(Vec<Value>),
    Tuple(Vec<Value>),
    /// A function or a record.
    Map(BTreeMap<Value, Value>),
}

impl Value {
    /// The variables of a state, from `/\ NAME = VALUE` line by line (`NAME = VALUE` if there is only one).
    pub(crate) fn state(text: &str) -> BTreeMap<String, Self> {
        let mut reader = Reader(text);
        let mut state = BTreeMap::new();
        while !reader.at_end() {
            let _several = reader.take("/\\");
            let name = reader.word();
            reader.expect("=");
            state.insert(name, reader.value());
        }
        state
    }

    /// What a function or record has for `key`.
    pub(crate) fn of(&self, key: &str) -> &Self {
        &self.map()[&Self::Word(key.to_owned())]
    }

    pub(crate) fn map(&self) -> &BTreeMap<Self, Self> {
        let Self::Map(map) = self else { panic!("{self:?} is no function") };
        map
    }

    pub(crate) fn word(&self) -> &str {
        let Self::Word(word) = self else { panic!("{self:?} is no word") };
        word
    }

    /// The elements of a set or tuple; also of the empty function, which TLC prints as the empty tuple.
    pub(crate) fn elements(&self) -> &[Self] {
        match self {
            Self::Set(elements) | Self::Tuple(elements) => elements,
            Self::Word(_) | Self::Map(_) => panic!("{self:?} has no elements"),
        }
    }

    pub(crate) fn contains(&self, element: &Self) -> bool {
        self.elements().contains(element)
    }
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn value(&mut self) -> Value {
        if self.take("<<") {
            return Value::Tuple(self.list(">>"));
        }
        if self.take("{") {
            return Value::Set(self.list("}"));
        }
        if self.take("[") {
            return Value::Map(self.pairs("|->", ",", "]"));
        }
        if self.take("(") {
            return Value::Map(self.pairs(":>", "@@", ")"));
        }
        Value::Word(self.word())
    }

    fn list(&mut self, end: &str) -> Vec<Value> {
        let mut list = Vec::new();
        while !self.take(end) {
            list.push(self.value());
            let _more = self.take(",");
        }
        list
    }

    fn pairs(&mut self, arrow: &str, between: &str, end: &str) -> BTreeMap<Value, Value> {
        let mut pairs = BTreeMap::new();
        while !self.take(end) {
            let key = self.value();
            self.expect(arrow);
            pairs.insert(key, self.value());
            let _more = self.take(between);
        }
        pairs
    }

    fn word(&mut self) -> String {
        let (word, rest) = if self.take("\"") {
            self.0.split_once('"').expect("a string ends")
        } else {
            self.0 = self.0.trim_start();
            let end = self.0.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.0.len());
            assert!(end > 0, "a value begins at {:?}", self.0);
            self.0.split_at(end)
        };
        self.0 = rest;
        word.to_owned()
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) {
        assert!(self.take(token), "{token} at {:?}", self.0);
    }

    fn at_end(&self) -> bool {
        self.0.trim_start().is_empty()
    }
}
