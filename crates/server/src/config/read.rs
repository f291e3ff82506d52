//! Where settings come from: flags before environment before file before defaults.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{Config, Error, KEYS, Key};

/// Where a setting was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// In a file, at a line counted from 1.
    File(PathBuf, usize),
    /// In an environment variable.
    Variable(String),
    /// In a flag on the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File(path, line) => write!(f, "{}, line {line}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// The texts of one key and where they were written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// One text, or any number for a list.
    pub texts: Vec<String>,
    /// Where.
    pub origin: Origin,
}

/// What a program gives to be read: nothing here is looked up behind its back.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file named on the command line, which must exist.
    pub file: Option<PathBuf>,
    /// The environment; names that do not begin with `VISAVIS_` are passed over.
    pub environment: Vec<(OsString, OsString)>,
    /// Key names and values from the command line, in order.
    pub flags: Vec<(&'static str, String)>,
}

/// Every key's setting.
#[derive(Clone, Debug)]
pub struct Settings {
    by_key: BTreeMap<&'static str, Setting>,
}

impl Settings {
    /// Reads all sources; the file is `--config`, else `visavis.toml` in the data folder if it is there.
    ///
    /// # Errors
    /// The first key or value that is wrong, with its place.
    pub fn read(sources: &Sources) -> Result<(Self, Config), Error> {
        let defaults = KEYS.iter().map(|k| {
            let texts = k.default.iter().map(|t| (*t).to_owned()).collect();
            (k.name, Setting { texts, origin: Origin::Default })
        });
        let mut settings = Self { by_key: defaults.collect() };
        let outer = from_environment(&sources.environment)?;
        let outer: Vec<_> = outer.into_iter().chain(from_flags(&sources.flags)).collect();
        let found = match &sources.file {
            Some(path) => Some(path.clone()),
            None => Some(data_folder(&outer).join("visavis.toml")).filter(|p| p.exists()),
        };
        if let Some(path) = found {
            let text = std::fs::read_to_string(&path).map_err(|e| Error::Unreadable {
                path: path.display().to_string(),
                problem: e.to_string(),
            })?;
            settings.by_key.extend(from_file(&path, &text)?);
        }
        settings.by_key.extend(outer);
        let config = Config::from_settings(&settings)?;
        config.validate(&settings)?;
        Ok((settings, config))
    }

    /// Every key with its setting, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Key, &Setting)> {
        KEYS.iter().filter_map(|k| self.by_key.get(k.name).map(|s| (k, s)))
    }

    /// Where the setting of `key` was written.
    pub fn origin(&self, key: &str) -> Origin {
        self.by_key.get(key).map_or(Origin::Default, |s| s.origin.clone())
    }

    /// Reads the value of one key.
    pub(super) fn value<T>(
        &self,
        key: &'static str,
        parse: fn(&[String]) -> Result<T, String>,
    ) -> Result<T, Error> {
        let setting = &self.by_key[key];
        parse(&setting.texts).map_err(|problem| Error::BadValue {
            key,
            value: setting.texts.join(", "),
            origin: setting.origin.clone(),
            problem,
            allowed: Key::named(key).map_or("", |k| k.allowed),
        })
    }
}

/// The data folder as far as it is known before the file is read.
fn data_folder(outer: &[(&'static str, Setting)]) -> PathBuf {
    let given = outer.iter().rev().find(|(name, _)| *name == "data");
    let default = Key::named("data").and_then(|k| k.default.first()).map_or("", |d| *d);
    given.and_then(|(_, s)| s.texts.first()).map_or_else(|| default.into(), PathBuf::from)
}

fn from_flags(flags: &[(&'static str, String)]) -> Vec<(&'static str, Setting)> {
    let mut by_key: BTreeMap<&'static str, Setting> = BTreeMap::new();
    for (name, value) in flags {
        let many = Key::named(name).is_some_and(|k| k.many);
        let setting = by_key
            .entry(name)
            .or_insert_with(|| Setting { texts: Vec::new(), origin: Origin::Flag(format!("--{name}")) });
        setting.texts.extend(split(value, many));
    }
    by_key.into_iter().collect()
}

fn from_environment(environment: &[(OsString, OsString)]) -> Result<Vec<(&'static str, Setting)>, Error> {
    let mut found = Vec::new();
    for (name, value) in environment {
        let (Some(name), value) = (name.to_str(), value.to_string_lossy()) else { continue };
        let Some(rest) = name.strip_prefix("VISAVIS_") else { continue };
        let origin = Origin::Variable(name.to_owned());
        match KEYS.iter().find(|k| k.env() == name) {
            Some(key) => found.push((key.name, Setting { texts: split(&value, key.many), origin })),
            // Orchestrators announce a service called `visavis` to its neighbours by variables of these names.
            None if rest.starts_with("PORT") || rest.starts_with("SERVICE_") => {}
            None if rest == "CONFIG" => {}
            None => return Err(unknown(&rest.to_ascii_lowercase().replace('_', "-"), origin)),
        }
    }
    Ok(found)
}

/// The parts of a list written in one text; an empty text is an empty list.
fn split(value: &str, many: bool) -> Vec<String> {
    if !many {
        return vec![value.to_owned()];
    }
    value.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
}

fn from_file(path: &Path, text: &str) -> Result<Vec<(&'static str, Setting)>, Error> {
    let at = |offset: usize| Origin::File(path.to_owned(), line_of(text, offset));
    let table = DeTable::parse(text).map_err(|e| Error::Syntax {
        origin: at(e.span().map_or(0, |s| s.start)),
        problem: e.message().to_owned(),
    })?;
    let mut found = Vec::new();
    for (name, value) in table.get_ref() {
        let origin = at(name.span().start);
        let Some(key) = Key::named(name.get_ref()) else {
            return Err(unknown(name.get_ref(), origin));
        };
        let texts = texts(value.get_ref()).map_err(|problem| Error::BadValue {
            key: key.name,
            value: text.get(value.span()).unwrap_or_default().to_owned(),
            origin: origin.clone(),
            problem,
            allowed: key.allowed,
        })?;
        found.push((key.name, Setting { texts, origin }));
    }
    Ok(found)
}

fn unknown(name: &str, origin: Origin) -> Error {
    let close = KEYS.iter().map(|k| (strsim::normalized_damerau_levenshtein(name, k.name), k.name));
    let best = close.max_by(|a, b| a.0.total_cmp(&b.0));
    Error::UnknownKey {
        name: name.to_owned(),
        origin,
        nearest: best.filter(|(score, _)| *score >= 0.5).map(|(_, name)| name),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count()
}

/// A TOML value as texts: what stands in the file is checked by the key like what stands anywhere else.
fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match value {
        DeValue::String(s) => Ok(vec![s.to_string()]),
        DeValue::Integer(i) => Ok(vec![i.to_string()]),
        DeValue::Boolean(b) => Err(format!("`{b}` is neither a text nor a number")),
        DeValue::Float(_) | DeValue::Datetime(_) => Err("it is neither a text nor a whole number".into()),
        DeValue::Table(_) => Err("it is a table".into()),
        DeValue::Array(items) => {
            let nested = items.iter().map(|i| match i.get_ref() {
                DeValue::Array(_) => Err("it is a list within a list".to_owned()),
                item => texts(item),
            });
            nested.collect::<Result<Vec<_>, _>>().map(|lists| lists.concat())
        }
    }
}
