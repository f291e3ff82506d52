//! The directory: who is here, under which name, on which devices.

use std::collections::{BTreeMap, BTreeSet};

use super::SessionKey;
use crate::signal::protocol::{CallId, Person};

/// Somebody with at least one session.
pub(super) struct Entry {
    pub(super) person: Person,
    /// Their devices, in the order in which they came.
    pub(super) sessions: Vec<SessionKey>,
    /// The calls that ring for them.
    pub(super) ringing: Vec<CallId>,
    /// Since when they go by this name: the place in the line of namesakes.
    since: u64,
}

/// Everybody here, by id and by name.
#[derive(Default)]
pub(super) struct People {
    by_id: BTreeMap<String, Entry>,
    /// Folded name, since, id.
    by_name: BTreeSet<(String, u64, String)>,
    clock: u64,
}

impl People {
    pub(super) fn get(&self, id: &str) -> Option<&Entry> {
        self.by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Entry> {
        self.by_id.get_mut(id)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Adds a device of `person`, who may be here already. Whether the name they are known by has changed.
    pub(super) fn add(&mut self, person: Person, session: SessionKey) -> bool {
        if let Some(entry) = self.by_id.get_mut(&person.id) {
            entry.sessions.push(session);
            return self.rename(person);
        }
        self.clock += 1;
        let since = self.clock;
        self.by_name.insert((fold(&person.name), since, person.id.clone()));
        let entry = Entry { person: person.clone(), sessions: vec![session], ringing: Vec::new(), since };
        self.by_id.insert(person.id, entry);
        false
    }

    /// Gives a person who is here another name; whether it is another.
    pub(super) fn rename(&mut self, person: Person) -> bool {
        let Some(entry) = self.by_id.get_mut(&person.id) else { return false };
        if entry.person == person {
            return false;
        }
        self.by_name.remove(&(fold(&entry.person.name), entry.since, person.id.clone()));
        self.clock += 1;
        entry.since = self.clock;
        self.by_name.insert((fold(&person.name), entry.since, person.id.clone()));
        entry.person = person;
        true
    }

    /// Takes a device away, and with the last one the person.
    pub(super) fn remove(&mut self, id: &str, session: SessionKey) {
        let Some(entry) = self.by_id.get_mut(id) else { return };
        entry.sessions.retain(|s| *s != session);
        if entry.sessions.is_empty() {
            self.by_name.remove(&(fold(&entry.person.name), entry.since, id.to_owned()));
            self.by_id.remove(id);
        }
    }

    /// Those whose name begins with `query`, by name.
    pub(super) fn find<'a>(&'a self, query: &str) -> impl Iterator<Item = &'a Entry> {
        let query = fold(query);
        let from = (query.clone(), 0, String::new());
        self.by_name
            .range(from..)
            .take_while(move |(name, ..)| name.starts_with(&query))
            .filter_map(|(_, _, id)| self.by_id.get(id))
    }

    /// Whom `caller` means by a name or an id. A person's id wins, then the holder of an account, then who has gone by
    /// the name for the longest: a late namesake gets nobody's calls. Oneself comes last.
    pub(super) fn resolve(&self, to: &str, caller: &str) -> Option<&Entry> {
        if let Some(entry) = self.by_id.get(to) {
            return Some(entry);
        }
        let name = fold(to);
        let namesakes = || {
            self.by_name
                .range((name.clone(), 0, String::new())..)
                .take_while(|(found, ..)| *found == name)
                .filter_map(|(_, _, id)| self.by_id.get(id))
        };
        namesakes().min_by_key(|e| (e.person.id == caller, !e.person.verified, e.since))
    }
}

/// What two spellings of a name have in common: `Ann  Lee` and `ann lee` are the same.
fn fold(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str, name: &str, verified: bool) -> Person {
        Person { id: id.into(), name: name.into(), verified }
    }

    fn resolved<'a>(people: &'a People, to: &str, caller: &str) -> Option<&'a str> {
        people.resolve(to, caller).map(|e| e.person.id.as_str())
    }

    #[test]
    fn names_are_found_by_their_beginning_and_resolved_by_precedence() {
        let mut people = People::default();
        let list = [
            ("1", "Ann", false),
            ("2", "ann", false),
            ("3", "ANN", true),
            ("4", "Anna", false),
            ("5", "Bob", false),
        ];
        for (key, (id, name, verified)) in (0..).zip(list) {
            people.add(person(id, name, verified), SessionKey(key));
        }
        let found = |p: &People, q: &str| p.find(q).map(|e| e.person.id.clone()).collect::<Vec<_>>();
        assert_eq!(found(&people, "AN"), ["1", "2", "3", "4"]);
        assert_eq!(found(&people, "c"), [""; 0]);
        assert_eq!(resolved(&people, "ann", "5"), Some("3"), "the account holder first");
        assert_eq!(resolved(&people, "2", "5"), Some("2"), "an id is exact");
        assert_eq!(
            resolved(&people, "ann", "3"),
            Some("1"),
            "then the one who was here first, never oneself"
        );
        assert_eq!(resolved(&people, "bob", "5"), Some("5"), "oneself if there is nobody else");
        people.remove("3", SessionKey(2));
        assert!(people.rename(person("1", "Zoe", false)));
        assert_eq!(resolved(&people, "ann", "5"), Some("2"));
        assert_eq!(
            (found(&people, "an"), found(&people, "z")),
            (vec!["2".into(), "4".into()], vec!["1".into()])
        );
        assert_eq!(people.len(), 4);
    }

    #[test]
    fn spellings_fold() {
        assert_eq!(fold(" ÉMILIE  Du "), "émilie du");
    }

    #[test]
    fn a_person_stays_until_the_last_device_leaves() {
        let mut people = People::default();
        assert!(!people.add(person("1", "Ann", false), SessionKey(0)));
        assert!(people.add(person("1", "Anne", false), SessionKey(1)));
        people.remove("1", SessionKey(0));
        assert_eq!(resolved(&people, "anne", ""), Some("1"));
        people.remove("1", SessionKey(1));
        assert_eq!(resolved(&people, "anne", ""), None);
        assert_eq!((people.len(), people.by_name.len()), (0, 0));
    }
}
