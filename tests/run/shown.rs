//! What a running instance shows of itself: its histograms as a log, and `wayfarer top`, printed or on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use super::load::send;
use super::place::{Place, Server, until};
use super::world::REMINDER;

/// An instance that is ready, with these settings, and with five users inside its journey.
fn instance(settings: &[(&str, &str)]) -> (Place, Server) {
    let place = Place::new(&[&REMINDER.replace("\"Start\"", "\"web\"")]);
    let mut command = place.command();
    command.envs(settings.iter().copied());
    let mut server = place.start(command);
    server.wait_ready();
    let to = server.address().expect("it listens");
    for n in 0..5 {
        assert!(send(to, "web", format!("u{n}")).accepted.is_some(), "{}", place.said());
    }
    until("they are inside", || (place.sends().len() == 5).then_some(()));
    (place, server)
}

fn url(server: &mut Server) -> String {
    format!("http://{}", server.address().expect("it listens"))
}

#[test]
fn histograms_are_written_as_intervals_until_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("latency.hlog");
    let (place, server) = instance(&[
        ("WAYFARER_METRICS__HISTOGRAM_LOG", log.to_str().expect("a path")),
        // So long that the end alone writes.
        ("WAYFARER_METRICS__HISTOGRAM_INTERVAL", "1h"),
    ]);
    assert_eq!(server.terminate(), Some(0), "{}", place.said());
    let text = std::fs::read(&log).expect("it was written");
    let tags: Vec<String> = IntervalLogIterator::new(&text)
        .filter_map(|entry| match entry.expect("the log is whole") {
            LogEntry::Interval(interval) => interval.tag().map(|tag| tag.as_str().to_owned()),
            LogEntry::StartTime(_) | LogEntry::BaseTime(_) => None,
        })
        .collect();
    assert_eq!(tags, ["event_to_decision", "event_to_commit", "commit", "gate_flip"]);
}

#[test]
fn a_log_of_histograms_that_finds_no_room_is_a_sentence_and_the_instance_goes_on() {
    let (place, server) = instance(&[
        ("WAYFARER_METRICS__HISTOGRAM_LOG", "/dev/full"),
        ("WAYFARER_METRICS__HISTOGRAM_INTERVAL", "1s"),
    ]);
    let sentence = "the histograms cannot be written to /dev/full (metrics.histogram_log): ";
    until("it says so", || place.said().contains(sentence).then_some(()));
    assert_eq!(server.terminate(), Some(0), "{}", place.said());
    assert_eq!(place.said().matches(sentence).count(), 1, "once");
    assert_eq!(place.sends().len(), 5);
}

fn top(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayfarer"));
    command.arg("top").args(arguments).env_remove("WAYFARER_URL").output().expect("it runs")
}

/// Nobody listens there.
const AWAY: &str = "http://127.0.0.1:1";

#[test]
fn one_frame_tells_of_an_instance_its_journeys_and_of_one_that_is_away() {
    let (place, mut server) = instance(&[]);
    let answer = server.post("/v1/journeys/reminder/pause", "{}").expect("it answers");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let url = url(&mut server);
    let shown = top(&["--once", "--instance", &url, "--instance", AWAY]);
    let text = String::from_utf8(shown.stdout).expect("it is text");
    assert_eq!(shown.status.code(), Some(0), "{text}");
    let row = |first: &str| {
        let line = text.lines().find(|line| line.starts_with(first));
        let line = line.unwrap_or_else(|| panic!("no line of {first} in\n{text}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let [_, open, pending, behind, unread, worst, users, timers] = &row(&url)[..8] else { panic!("{text}") };
    assert_eq!([open, pending, behind, unread, worst, users, timers], ["8", "0", "0", "0", "–", "5", "5"]);
    assert_eq!(row("event to commit")[1], "5");
    assert_eq!(row("reminder"), ["reminder", "clevertap", "Paused", "shut", "open", "5", "5", "0", "0", "0"]);
    assert!(text.contains(&format!("{AWAY} does not answer: it cannot be reached: ")), "{text}");
    assert!(!text.contains('\u{1b}'), "a pipe obeys nothing");
    assert_eq!(server.terminate(), Some(0), "{}", place.said());
}

#[test]
fn what_cannot_be_shown_is_told_by_a_code_and_a_sentence() {
    let nobody = top(&["--once", "--instance", AWAY]);
    assert_eq!(nobody.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&nobody.stdout).contains("does not answer"));
    let piped = top(&["--instance", AWAY]);
    assert_eq!(piped.status.code(), Some(2));
    let said = String::from_utf8_lossy(&piped.stderr);
    assert!(said.contains("the standard output is no terminal; `wayfarer top --once`"), "{said}");
}

/// A terminal of our own, what was written to it, and the program on it.
struct Screen {
    keys: File,
    seen: Arc<Mutex<Vec<u8>>>,
    /// Its other end, by which its state is known.
    terminal: File,
    program: Child,
}

impl Screen {
    fn of(arguments: &[&str]) -> (Self, Termios) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("there is a pseudo-terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
        let terminal = File::from(ioctl_tiocgptpeer(&master, flags).expect("it has another end"));
        let size = Winsize { ws_row: 40, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).expect("it takes a size");
        let before = tcgetattr(&terminal).expect("it has a state");
        let end = || Stdio::from(terminal.try_clone().expect("it can be shared"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_wayfarer"));
        command.arg("top").args(arguments).env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end());
        let program = command.spawn().expect("it starts");
        let (keys, seen) = (File::from(master), Arc::<Mutex<Vec<u8>>>::default());
        let (mut read, into) = (keys.try_clone().expect("it can be shared"), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = read.read(&mut piece) {
                into.lock().expect("nobody panics").extend_from_slice(&piece[..length]);
            }
        });
        (Self { keys, seen, terminal, program }, before)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("nobody panics")).into_owned()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// How somebody ends the view.
type End = fn(&mut Screen);

#[test]
fn a_key_or_a_signal_ends_the_view_and_leaves_the_terminal_as_it_was() {
    let ends: [(&str, End); 3] = [
        ("q", |screen| screen.keys.write_all(b"q").expect("it takes keys")),
        ("Ctrl-C", |screen| screen.keys.write_all(b"\x03").expect("it takes keys")),
        ("SIGTERM", |screen| {
            kill_process(Pid::from_child(&screen.program), Signal::TERM).expect("it is there");
        }),
    ];
    let modes = |of: &Termios| (of.input_modes, of.output_modes, of.control_modes, of.local_modes);
    for (what, end) in ends {
        let (mut screen, before) = Screen::of(&["--instance", AWAY]);
        until("it shows something", || screen.text().contains("does not answer").then_some(()));
        let during = tcgetattr(&screen.terminal).expect("it has a state");
        assert_ne!(modes(&during), modes(&before), "keys come one by one");
        end(&mut screen);
        let status = until("it ends", || screen.program.try_wait().expect("it can be asked"));
        assert_eq!(status.code(), Some(0), "{what}: {}", screen.text());
        let after = tcgetattr(&screen.terminal).expect("it has a state");
        assert_eq!(modes(&after), modes(&before), "{what}");
        // The other screen was entered, and is left; the cursor is shown again.
        until("the last of it is read", || {
            let text = screen.text();
            let left = text.rfind("\u{1b}[?1049l").zip(text.rfind("\u{1b}[?1049h"));
            left.filter(|(left, entered)| left > entered && text.contains("\u{1b}[?25h"))
        });
    }
}
