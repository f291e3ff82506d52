//! Configuration: one table of keys ([`table`]), read from flags, environment, a TOML file and defaults.
//!
//! The table is the only place that knows a key: the typed [`Config`], the command line's flags, the names of the
//! environment variables, every error and `docs/configuration.md` follow from it.

mod error;
mod markdown;
mod read;
mod storage;
mod table;
mod value;

pub use error::Error;
pub use markdown::markdown;
pub use read::{Origin, Setting, Settings, Sources};
pub use storage::{Bucket, Endpoint, Folder, Keep, Size, Storage};
pub use table::{Config, KEYS, Key};
pub use value::{
    AcmeDirectory, Bandwidth, Host, KeyId, Limit, List, Listen, LogFilter, LogFormat, Metrics, Net, Origins,
    PortRange, Registration, Seconds, Threads, TlsMode, Url, Urls,
};
