//! The commands, and how they end.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;
use tokio::runtime::Runtime;

use super::code;
use super::disk::Disk;
use super::outgoing;
use super::place::Place;
use super::prompt::Prompt;
use super::session::{Exit, Plan, Receiving, Session};
use crate::banner;
use crate::client::address::Address;
use crate::client::output::{self, Output};
use crate::client::secure::{Connector, Trust};

const SERVER: &str = "http://localhost:8080";

const CODES: &str = "Ends with 0 when everything has arrived and was verified, 1 when something failed, 2 when it was \
                     called wrongly, 3 when it was refused, 130 when it was interrupted.";

/// Wrong use, to be told apart from failure.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Whether an error is one of wrong use.
pub(crate) fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<Usage>()
}

/// `visavis send`.
pub(crate) fn send() -> Command {
    Command::new("send")
        .about("Sends files and folders straight to another machine, or to a browser that opens a link")
        .after_help(format!(
            "A folder is sent as its files, whose names begin with the folder's; `visavis receive` makes the folders \
             again, a browser saves the files one by one. Links inside folders are not followed. {CODES}"
        ))
        .arg(
            Arg::new("files")
                .value_name("FILE")
                .required(true)
                .num_args(1..)
                .value_parser(value_parser!(PathBuf))
                .help("The files and folders to send"),
        )
        .args(shared("600"))
}

/// `visavis receive`.
pub(crate) fn receive() -> Command {
    Command::new("receive")
        .about("Receives what `visavis send` or a browser sends under a code")
        .after_help(format!(
            "What was not whole stays beside its place as NAME.SIZE.visavis-part, and goes on when the same file \
             comes again. Nothing is overwritten: a name that is taken gets a number. {CODES}"
        ))
        .arg(Arg::new("code").value_name("CODE").required(true).help(
            "The three words that the sender sees, or the whole link, which says the server too",
        ))
        .arg(
            Arg::new("into")
                .long("into")
                .value_name("DIR")
                .default_value(".")
                .value_parser(value_parser!(PathBuf))
                .help("The folder for what is received"),
        )
        .arg(flag("yes", "Take everything without asking").short('y'))
        .arg(flag("overwrite", "Replace files that have the same name"))
        .args(shared("30"))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn shared(patience: &'static str) -> Vec<Arg> {
    let mut arguments = server();
    arguments.push(
        Arg::new("wait")
            .long("wait")
            .value_name("SECONDS")
            .default_value(patience)
            .value_parser(value_parser!(u32).range(1..))
            .help("How long to wait for the other side"),
    );
    arguments
}

/// Which server, and whom to believe.
pub(crate) fn server() -> Vec<Arg> {
    vec![
        Arg::new("server")
            .long("server")
            .value_name("URL")
            .env("VISAVIS_SERVER")
            .help(format!("The Visavis server, where both sides meet [default: {SERVER}]"))
            .hide_env_values(true),
        Arg::new("ca")
            .long("ca")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Believe the certificate authorities in this PEM file too"),
        flag("insecure", "Do not check the server's certificate: whoever is in between can listen"),
        flag("json", "Print one JSON object for each event"),
    ]
}

/// Runs one of the commands.
pub(crate) fn run(name: &str, matches: &ArgMatches) -> ExitCode {
    let mut output = Output::new(matches.get_flag("json"));
    let exit = Runtime::new().context("cannot start the runtime").and_then(|runtime| {
        let exit = runtime.block_on(async {
            match name {
                "send" => sending(matches, &mut output).await,
                _ => receiving(matches, &mut output).await,
            }
        });
        // A disk that hangs must not keep the program.
        runtime.shutdown_timeout(Duration::from_secs(1));
        exit
    });
    let (code, event) = match &exit {
        Ok(Exit::Done) => (0, "done"),
        Ok(Exit::Failed) => (1, "failed"),
        Ok(Exit::Refused) => (3, "refused"),
        Ok(Exit::Interrupted) => (130, "interrupted"),
        Err(error) if is_usage(error) => (2, "usage"),
        Err(_) => (1, "failed"),
    };
    let error = exit.err().map(|error| format!("{error:#}"));
    output.say("end", json!({ "result": event, "code": code, "error": error }), "");
    if let Some(error) = error {
        eprintln!("visavis: {error}");
    }
    ExitCode::from(code)
}

async fn sending(matches: &ArgMatches, output: &mut Output) -> Result<Exit> {
    let (address, connector, _) = reach(matches, "")?;
    let named: Vec<PathBuf> = matches.get_many("files").into_iter().flatten().cloned().collect();
    let sources = tokio::task::spawn_blocking(move || outgoing::find(&named)).await??;
    let (count, size) = (sources.len(), sources.iter().map(|source| source.size).sum());
    let code = code::draw();
    let link = address.link(&code);
    let patience = patience(matches);
    let plan =
        Plan { address, connector, code: code.clone(), name: name(), sources, receiving: None, patience };
    let drawn = output.draws().then(|| banner::code(&link)).flatten().unwrap_or_default();
    let session = Session::open(plan, output).await?.announce(|output| {
        let what = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let text = format!(
            "Sending {what}, {}. On the other machine:\n\n  visavis receive {code}\n\nor open in a browser:\n\n  \
             {link}\n{drawn}",
            output::size(size)
        );
        output.say("code", json!({ "code": code, "link": link, "files": count, "size": size }), &text);
    });
    session.run().await
}

async fn receiving(matches: &ArgMatches, output: &mut Output) -> Result<Exit> {
    let given = matches.get_one::<String>("code").cloned().unwrap_or_default();
    let (address, connector, text) = reach(matches, &given)?;
    let code = code::read(&text).map_err(|error| Usage(error.to_string()))?;
    let into = matches.get_one::<PathBuf>("into").cloned().unwrap_or_default();
    std::fs::create_dir_all(&into).with_context(|| format!("{}", into.display()))?;
    let prompt = match matches.get_flag("yes") {
        true => None,
        false if std::io::stdin().is_terminal() => Some(Prompt::start()?),
        false => {
            let error =
                "the standard input is no terminal, so nobody can be asked; say --yes to take everything";
            return Err(Usage(error.to_owned()).into());
        }
    };
    let place = Place::open(&into, &code);
    let disk = Disk::start(into, matches.get_flag("overwrite"))?;
    let receiving = Some(Receiving { disk, prompt, place });
    let patience = patience(matches);
    let plan = Plan { address, connector, code, name: name(), sources: Vec::new(), receiving, patience };
    Session::open(plan, output).await?.run().await
}

fn patience(matches: &ArgMatches) -> Duration {
    Duration::from_secs(matches.get_one::<u32>("wait").copied().unwrap_or(30).into())
}

/// The server, and the code if `given` is a link with both.
pub(crate) fn reach(matches: &ArgMatches, given: &str) -> Result<(Address, Connector, String)> {
    let trust = Trust { insecure: matches.get_flag("insecure"), ca: matches.get_one("ca").cloned() };
    let connector = Connector::new(&trust).map_err(|error| Usage(format!("--ca: {error}")))?;
    let usage = |error: crate::client::address::BadAddress| Usage(error.to_string());
    if given.contains("://") {
        let (address, path) = Address::read(given).map_err(usage)?;
        let code = path.strip_prefix("/r/").unwrap_or_default().trim_end_matches('/').to_owned();
        return Ok((address, connector, code));
    }
    let server = matches.get_one::<String>("server").map_or(SERVER, String::as_str);
    let (address, _) = Address::read(server).map_err(usage)?;
    Ok((address, connector, given.to_owned()))
}

/// What the other side sees: the name of this machine, which is what people know it by.
pub(crate) fn name() -> String {
    let name: String = crate::addresses::hostname().chars().filter(|c| !c.is_control()).take(40).collect();
    if name.trim().is_empty() { "visavis".to_owned() } else { name }
}
