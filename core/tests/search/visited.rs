//! The states that are known, by fingerprint.

/// Numbers for fingerprints, first come first: an open hash table in two arrays, 20 bytes a place, for tens of
/// millions.
pub(crate) struct Visited {
    keys: Vec<u128>,
    /// One more than the number; zero where nothing is.
    numbers: Vec<u32>,
    living: u32,
}

impl Default for Visited {
    fn default() -> Self {
        Self { keys: vec![0; 1 << 10], numbers: vec![0; 1 << 10], living: 0 }
    }
}

impl Visited {
    /// The number of `key`; if it is new, how many there were before.
    pub(crate) fn number(&mut self, key: u128) -> u32 {
        // At most three quarters are taken.
        if self.living as usize * 4 >= self.keys.len() * 3 {
            self.grow();
        }
        let place = self.place(key);
        if self.numbers[place] == 0 {
            self.living += 1;
            self.keys[place] = key;
            self.numbers[place] = self.living;
        }
        self.numbers[place] - 1
    }

    fn place(&self, key: u128) -> usize {
        let mask = self.keys.len() - 1;
        let mut place = usize::try_from(key & mask as u128).expect("below a length");
        while self.numbers[place] != 0 && self.keys[place] != key {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        let size = self.keys.len() * 2;
        let keys = std::mem::replace(&mut self.keys, vec![0; size]);
        let numbers = std::mem::replace(&mut self.numbers, vec![0; size]);
        for (key, number) in keys.into_iter().zip(numbers).filter(|(_, number)| *number > 0) {
            let place = self.place(key);
            self.keys[place] = key;
            self.numbers[place] = number;
        }
    }
}
