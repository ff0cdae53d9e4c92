//! `kafka`: a real Apache Kafka on loopback while this program runs, or while a command of yours does.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use wayfarer_broker::{Broker, Cluster, Options, SHARED, fetch};

const HELP: &str = "\
kafka [--brokers N] [--port P]   start Kafka on 127.0.0.1, until Ctrl-C or the end of the standard input
kafka run -- COMMAND...          run a command with a broker, whose address it finds in WAYFARER_KAFKA,
                                 and end with its exit code

--brokers N   how many nodes, each broker and controller (default 1)
--port P      the port of the first one, the next ones following (default: free ports)

The data is in a temporary directory and goes with the brokers, however this program ends.
";

/// What was asked for on the command line.
enum Asked {
    Help,
    Stand { brokers: usize, options: Options },
    Run(Vec<OsString>),
}

fn main() -> ExitCode {
    match asked(env::args_os().skip(1).collect()).and_then(answer) {
        Ok(code) => code,
        Err(sentence) => {
            // Nobody is left to tell if that fails.
            let _ = writeln!(io::stderr(), "kafka: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn asked(arguments: Vec<OsString>) -> Result<Asked, String> {
    let mut brokers = 1;
    let mut options = Options::default();
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let mut number = |allowed: std::ops::RangeInclusive<u16>| {
            let value = rest.next().unwrap_or_default();
            let number = value.to_str().and_then(|value| value.parse().ok()).filter(|n| allowed.contains(n));
            let (low, high) = allowed.into_inner();
            number.ok_or_else(|| format!("{argument:?} is {value:?}; {low} to {high} are allowed."))
        };
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Asked::Help),
            Some("--brokers") => brokers = usize::from(number(1..=9)?),
            Some("--port") => options.port = Some(number(1..=u16::MAX)?),
            Some("run") => {
                let command: Vec<OsString> = rest.skip_while(|argument| argument == "--").collect();
                let empty = "run needs a command: kafka run -- cargo test.".to_owned();
                return if command.is_empty() { Err(empty) } else { Ok(Asked::Run(command)) };
            }
            _ => return Err(format!("there is no {argument:?}; kafka --help tells what there is.")),
        }
    }
    Ok(Asked::Stand { brokers, options })
}

fn answer(asked: Asked) -> Result<ExitCode, String> {
    match asked {
        Asked::Help => say(HELP).map(|()| ExitCode::SUCCESS),
        Asked::Stand { brokers, options } => stand(brokers, &options),
        Asked::Run(command) => run(&command),
    }
}

/// Starts brokers and keeps them until the standard input ends. Ctrl-C ends us at once, and the reaper does
/// the rest.
fn stand(brokers: usize, options: &Options) -> Result<ExitCode, String> {
    let cluster = Cluster::start_with(brokers, options).map_err(|error| error.to_string())?;
    let address = cluster.bootstrap();
    let version = fetch::version();
    let log = cluster.directory().join("node-1/server.log");
    let quoted: Vec<String> = address.split(',').map(|broker| format!("{broker:?}")).collect();
    let pids: Vec<String> = cluster.pids().iter().map(ToString::to_string).collect();
    say(&format!(
        "Kafka {version} is there: {address}\nProcess: {}\nLog: {}\n\nFor wayfarer's configuration:\n\n\
         \x20 [journal]\n\x20 kind = \"kafka\"\n\n\x20 [kafka]\n\x20 brokers = [{brokers}]\n\n\
         Ctrl-C ends it and removes its data.\n",
        pids.join(" "),
        log.display(),
        brokers = quoted.join(", ")
    ))?;
    let ended = io::stdin().lock().read_to_end(&mut Vec::new());
    ended.map_err(|error| format!("reading the standard input: {error}."))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a command with a broker in its environment; with the one that is there already, if one is.
fn run(command: &[OsString]) -> Result<ExitCode, String> {
    let (address, _broker) = match env::var(SHARED) {
        Ok(address) => (address, None),
        Err(_) => {
            let broker = Broker::start(&Options::default()).map_err(|error| error.to_string())?;
            (broker.bootstrap(), Some(broker))
        }
    };
    let (program, arguments) = command.split_first().expect("it was checked to be there");
    let status = Command::new(program).args(arguments).env(SHARED, address).status();
    let status = status.map_err(|error| format!("running {}: {error}.", program.display()))?;
    // As a shell says it: 128 and the signal.
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

fn say(text: &str) -> Result<(), String> {
    let mut out = io::stdout();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(|error| format!("writing to the standard output: {error}."))
}
