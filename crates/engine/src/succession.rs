//! What has a name in a configuration, and goes on under it in the next: zones, caches, groups. Only a configuration
//! that came into force is succeeded; what one that was refused has made is gone with it.

use std::collections::HashMap;

/// Things by name, of the configuration in force and of one that is being made.
#[derive(Debug)]
pub(crate) struct Succession<T> {
    in_force: HashMap<String, T>,
    made: HashMap<String, T>,
}

impl<T> Default for Succession<T> {
    fn default() -> Self {
        Self { in_force: HashMap::new(), made: HashMap::new() }
    }
}

impl<T: Clone> Succession<T> {
    /// What has this name: in the configuration that is being made, or else in the one in force.
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.made.get(name).or_else(|| self.in_force.get(name))
    }

    /// Has `thing` go by this name in the configuration that is being made.
    pub(crate) fn put(&mut self, name: &str, thing: T) {
        self.made.insert(name.to_owned(), thing);
    }

    /// What has this name, where it is the `same`; else what is made anew.
    pub(crate) fn of(&mut self, name: &str, same: impl FnOnce(&T) -> bool, anew: impl FnOnce() -> T) -> T {
        let thing = self.get(name).filter(|known| same(known)).cloned().unwrap_or_else(anew);
        self.put(name, thing.clone());
        thing
    }

    /// Another configuration is being made. Whatever the last one made, it did not come into force.
    pub(crate) fn begin(&mut self) {
        self.made.clear();
    }

    /// The configuration that is being made comes into force: what it does not name is gone.
    pub(crate) fn commit(&mut self) {
        self.in_force = std::mem::take(&mut self.made);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_into_force_is_succeeded() {
        let mut zones = Succession::default();
        let mut zone = |size: u32, commit: bool| {
            zones.begin();
            // Servers of one configuration share it.
            let of = |zones: &mut Succession<(u32, u32)>, mark| zones.of("z", |zone| zone.0 == size, || (size, mark)).1;
            let (first, second) = (of(&mut zones, size * 10), of(&mut zones, 999));
            assert_eq!(first, second);
            if commit {
                zones.commit();
            }
            first
        };
        assert_eq!([zone(1, true), zone(1, true)], [10, 10]);
        assert_eq!([zone(2, false), zone(1, false), zone(1, true)], [20, 10, 10]);
        zones.begin();
        zones.commit();
        assert_eq!(zones.get("z"), None, "nobody named it");
    }
}
