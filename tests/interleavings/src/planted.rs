//! Races put into copies of the files that ship: what the models are worth.
//!
//! They stand among the planted bugs of `tests/planted/bugs.toml`, and are those that name a model.

use toml::{Table, Value};

/// The list of planted bugs, from the folder of this package.
pub const LIST: &str = "../planted/bugs.toml";

/// One race.
#[derive(Clone, Debug)]
pub struct Race {
    /// Its name, as a module has it.
    pub name: String,
    /// The file that it is put into, from the root of the sources.
    pub file: String,
    /// What stands there, exactly once.
    pub right: String,
    /// What is put in its place.
    pub wrong: String,
    /// The tool whose model has to find it: `loom` or `shuttle`.
    pub tool: String,
    /// The model.
    pub model: String,
    /// What the model has to say.
    pub says: String,
}

/// All races of the list, whose text is `list`.
///
/// # Panics
/// If it is no such list.
#[must_use]
pub fn races(list: &str) -> Vec<Race> {
    let list: Table = list.parse().expect("a list of bugs");
    let bugs = list.get("bug").and_then(Value::as_array).into_iter().flatten();
    bugs.filter(|bug| bug.get("model").is_some()).map(race).collect()
}

fn race(bug: &Value) -> Race {
    let text = |key: &str| bug[key].as_str().expect("a race is made of texts").to_owned();
    let model = text("model");
    let (tool, model) = model.split_once(' ').expect("a tool and a model");
    Race {
        name: text("name").replace('-', "_"),
        file: text("file"),
        right: text("find"),
        wrong: text("replace"),
        tool: tool.to_owned(),
        model: model.to_owned(),
        says: text("says"),
    }
}
