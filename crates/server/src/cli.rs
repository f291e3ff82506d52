//! The command line: its flags are made from the table of keys.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::runtime::Runtime;

use crate::accounts::{self, AddError};
use crate::config::{self, Config, KEYS, LogFormat, Settings, Sources};
use crate::join::command as join;
use crate::load::command as load;
use crate::store::Store;
use crate::transfer::{check, command as transfer};
use crate::{data, health, recording, serve};

/// Runs the program; everything that goes wrong ends in one message on the standard error.
pub fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => error.exit(),
    };
    if let Some((name @ ("send" | "receive"), matches)) = matches.subcommand() {
        return transfer::run(name, matches);
    }
    if let Some(("check", matches)) = matches.subcommand() {
        return check::run(matches);
    }
    if let Some(("join", matches)) = matches.subcommand() {
        return join::run(matches);
    }
    if let Some(("load", matches)) = matches.subcommand() {
        return load::run(matches);
    }
    match dispatch(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A configuration that cannot be used ends with 2, as a wrong flag does.
            let code = if error.is::<config::Error>() { 2 } else { 1 };
            eprintln!("visavis: {error:#}");
            ExitCode::from(code)
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<()> {
    match matches.subcommand() {
        Some(("serve", matches)) => {
            let (settings, config) = read(matches)?;
            start_log(&config)?;
            Runtime::new().context("cannot start the runtime")?.block_on(serve::run(settings, config))
        }
        Some(("config", matches)) if matches.get_flag("markdown") => print(&config::markdown()),
        Some(("config", matches)) => print(&effective(&read(matches)?.0)),
        Some(("health", matches)) => {
            let (_, config) = read(matches)?;
            Runtime::new().context("cannot start the runtime")?.block_on(health::ask(&config))
        }
        Some(("recordings", matches)) => {
            let (action, matches) = matches.subcommand().context("clap requires one")?;
            let (_, config) = read(matches)?;
            let done = recordings(action, matches, &config);
            Runtime::new().context("cannot start the runtime")?.block_on(done)
        }
        Some(("account", matches)) => {
            let (action, matches) = matches.subcommand().context("clap requires one")?;
            let (_, config) = read(matches)?;
            let name = matches.try_get_one::<String>("name").ok().flatten().cloned().unwrap_or_default();
            Runtime::new().context("cannot start the runtime")?.block_on(account(action, &name, &config))
        }
        _ => bail!("clap requires a command"),
    }
}

/// The command line as clap sees it.
pub fn command() -> Command {
    let account = |name: &'static str, about: &'static str| {
        let command = Command::new(name).about(about).args(common());
        let named = Arg::new("name").value_name("NAME").required(true).help("The name of the account");
        if name == "list" { command } else { command.arg(named) }
    };
    Command::new("visavis")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Video calls from browser to browser: the page, the signalling, STUN and TURN in one server")
        .after_help("Start with `visavis serve`; it needs no configuration.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("serve")
                .about("Runs the server until it is told to stop (SIGTERM or Ctrl-C)")
                .after_help("Every flag is also a key of the file and a variable: see `visavis config`.")
                .args(common()),
        )
        .subcommand(transfer::send())
        .subcommand(transfer::receive())
        .subcommand(join::command())
        .subcommand(load::command())
        .subcommand(check::command())
        .subcommand(
            Command::new("config")
                .about("Prints the configuration in effect, and where each value came from")
                .arg(
                    Arg::new("markdown")
                        .long("markdown")
                        .action(ArgAction::SetTrue)
                        .help("Print the documentation of all keys instead"),
                )
                .args(common()),
        )
        .subcommand(
            Command::new("health")
                .about("Asks a server on this machine whether it is well; ends with 0 if it is")
                .args(common()),
        )
        .subcommand(recordings_command())
        .subcommand(
            Command::new("account")
                .about("Manages the accounts, also while the server runs")
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommand(account("add", "Adds an account; the password is read from the standard input"))
                .subcommand(account("list", "Lists the accounts"))
                .subcommand(account("remove", "Removes an account; its name is free again"))
                .subcommand(account("reset", "Sets a new password and ends every login of the account")),
        )
}

/// `visavis recordings`.
fn recordings_command() -> Command {
    let recording = |name: &'static str, about: &'static str| Command::new(name).about(about).args(common());
    // Those of older servers may begin with `-`.
    let id =
        Arg::new("id").value_name("ID").required(true).allow_hyphen_values(true).help("As `list` prints it");
    Command::new("recordings")
        .about("Lists, copies and deletes recordings of conferences, on the data folder of a server")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(recording("list", "Lists them, the latest first"))
        .subcommand(
            recording("export", "Copies one, with its timeline, into a folder that is made for it")
                .arg(id.clone())
                .arg(
                    Arg::new("to")
                        .value_name("FOLDER")
                        .required(true)
                        .value_parser(value_parser!(PathBuf))
                        .help("Where to; it must not be there yet"),
                ),
        )
        .subcommand(recording("delete", "Deletes one for good").arg(id))
}

/// `--config` and one flag for each key.
fn common() -> Vec<Arg> {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .env("VISAVIS_CONFIG")
        .value_parser(value_parser!(PathBuf))
        .help("The TOML file to read [default: visavis.toml in the data folder, if it is there]");
    let key = |key: &'static config::Key| {
        let default = match key.default {
            [] => String::new(),
            texts => format!(" [default: {}]", texts.join(", ")),
        };
        // The first sentence is enough here; the documentation has them all.
        let first = key.doc.split_inclusive(". ").next().unwrap_or_default().trim_end();
        Arg::new(key.name)
            .long(key.name)
            .value_name(key.metavar)
            .action(ArgAction::Append)
            .allow_hyphen_values(true)
            .help(format!("{first}{default}"))
            .help_heading(key.section)
    };
    std::iter::once(file).chain(KEYS.iter().map(key)).collect()
}

/// Reads the configuration from the command line and everything behind it.
fn read(matches: &ArgMatches) -> Result<(Settings, Config)> {
    let mut flags = Vec::new();
    for key in KEYS {
        let values = matches.get_many::<String>(key.name).into_iter().flatten();
        flags.extend(values.map(|v| (key.name, v.clone())));
    }
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let file = matches.get_one::<PathBuf>("config").cloned();
    Ok(Settings::read(&Sources { file, environment, flags })?)
}

/// The effective configuration as a TOML file, with the origin of each value behind it.
fn effective(settings: &Settings) -> String {
    let mut out = String::new();
    let mut section = "";
    for (key, setting) in settings.iter() {
        if key.section != section {
            section = key.section;
            let _ = writeln!(out, "{}# {section}", if out.is_empty() { "" } else { "\n" });
        }
        let quoted: Vec<String> =
            setting.texts.iter().map(|t| toml::Value::from(t.as_str()).to_string()).collect();
        let line = match (key.many, quoted.as_slice()) {
            (true, all) => format!("{} = [{}]", key.name, all.join(", ")),
            (false, [one]) => format!("{} = {one}", key.name),
            (false, _) => format!("# {} is not set", key.name),
        };
        let _ = writeln!(out, "{line:<60} # {}", setting.origin);
    }
    out
}

/// Writes to the standard output; a reader that has had enough is no error.
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write"),
        _ => Ok(()),
    }
}

fn start_log(config: &Config) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.0).context("`log`")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match config.log_format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| anyhow::anyhow!("cannot start the log: {e}"))
}

async fn account(action: &str, name: &str, config: &Config) -> Result<()> {
    data::private_folder(&config.data)?;
    let store = Store::open(&config.data).await?;
    let done = match action {
        "add" => {
            let name = accounts::names::check(name).map_err(|e| anyhow::anyhow!("`{name}`: {e}"))?;
            let password = read_password()?;
            match accounts::add(&store, &name, &password).await? {
                Ok(id) => print(&format!("added {name} ({id})\n")),
                Err(AddError::NameTaken) => {
                    bail!("an account has the name `{name}`, or one that looks the same")
                }
            }
        }
        "list" => list(&store).await,
        "remove" => {
            let account = accounts::by_name(&store, name).await?;
            let account = account.with_context(|| format!("there is no account `{name}`"))?;
            store.remove_account(&account.id).await?;
            print(&format!("removed {}\n", account.name))
        }
        "reset" => {
            let account = accounts::by_name(&store, name).await?;
            let account = account.with_context(|| format!("there is no account `{name}`"))?;
            let hash = accounts::hash(read_password()?).await?;
            store.set_password(&account.id, Some(&hash)).await?;
            print(&format!("set a new password for {}; its logins have ended\n", account.name))
        }
        _ => bail!("clap requires an action"),
    };
    store.close().await;
    done
}

async fn recordings(action: &str, matches: &ArgMatches, config: &Config) -> Result<()> {
    let archive = recording::Archive::open(config)?.context("`recordings` is off")?;
    let id = matches.try_get_one::<String>("id").ok().flatten().cloned().unwrap_or_default();
    let to = matches.try_get_one::<PathBuf>("to").ok().flatten().cloned().unwrap_or_default();
    print(&match action {
        "list" => recording::command::list(&archive)?,
        "export" => recording::command::export(&archive, &id, &to).await?,
        "delete" => recording::command::delete(&archive, &id).await?,
        _ => bail!("clap requires an action"),
    })
}

async fn list(store: &Store) -> Result<()> {
    let mut out = String::new();
    for account in store.list_accounts().await? {
        let password = if account.password { "password" } else { "no password" };
        let _ = writeln!(out, "{}\t{}\t{password}\t{} passkeys", account.name, account.id, account.passkeys);
    }
    print(&out)
}

/// One line from the standard input; on a terminal it is not shown.
fn read_password() -> Result<String> {
    let hidden = hide_typing();
    if hidden.is_some() {
        eprint!("Password: ");
    }
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    if let Some(shown) = hidden {
        eprintln!();
        tcsetattr(io::stdin(), OptionalActions::Now, &shown).context("cannot restore the terminal")?;
    }
    read.context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    accounts::check_password(&password).map_err(|e| anyhow::anyhow!(e))?;
    Ok(password)
}

/// Stops a terminal from showing what is typed; what to restore, or `None` if it is no terminal.
fn hide_typing() -> Option<Termios> {
    let shown = tcgetattr(io::stdin()).ok()?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Flush, &hidden).ok()?;
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_recording_may_begin_with_a_hyphen() {
        for words in [["delete", "-ufa7-ckt3kiK7Pjb9LPvw", "--data", "d"], ["delete", "--data", "d", "-ufa7"]]
        {
            let matches = command().try_get_matches_from(["visavis", "recordings"].into_iter().chain(words));
            let matches = matches.unwrap_or_else(|error| panic!("{error}"));
            let (_, matches) = matches.subcommand().and_then(|(_, matches)| matches.subcommand()).unwrap();
            assert!(matches.get_one::<String>("id").unwrap().starts_with("-ufa7"));
        }
    }
}
