//! With which code the process ends, and what that means to a script.

/// What was asked for was done.
pub const OK: u8 = 0;
/// What was given has a problem: a definition, an event, a verb that the journey's state refuses.
pub const PROBLEM: u8 = 1;
/// The command line is not one; clap ends with it too.
pub const USAGE: u8 = 2;
/// The configuration is wrong; every reason was printed.
pub const CONFIG: u8 = 3;
/// The journal cannot be used: another process has it, its format is unknown, the disk is full or fails.
pub const JOURNAL: u8 = 4;
/// The server cannot be reached, or failed.
pub const SERVER: u8 = 5;
/// The command is recorded, but not every shard has taken it yet; those that have not were printed.
pub const PENDING: u8 = 6;
/// A file cannot be read or written.
pub const FILE: u8 = 7;
/// No broker of Kafka can be reached.
pub const UNREACHABLE: u8 = 8;
/// A topic of Kafka is not there.
pub const MISSING: u8 = 9;
/// Kafka's brokers deny a permission, or let nobody in with this password.
pub const DENIED: u8 = 10;
/// Another process runs under the same instance name, and has taken over.
pub const FENCED: u8 = 11;
/// The state, or the topics that it is in, do not fit this configuration or this program.
pub const INCOMPATIBLE: u8 = 12;

/// A bug of this program: inputs panicked again and again, a thread panicked, or counts do not add up. A restart
/// goes on from the last commit.
pub const BUG: u8 = 13;

/// A replay of a journal decides something else than the journal holds.
pub const DIFFERENT: u8 = 14;
/// Not all of the range could be replayed: what that needs is not kept any more.
pub const INCOMPLETE: u8 = 15;

/// All of them, for the help and for its test.
pub const ALL: [u8; 16] = [
    OK,
    PROBLEM,
    USAGE,
    CONFIG,
    JOURNAL,
    SERVER,
    PENDING,
    FILE,
    UNREACHABLE,
    MISSING,
    DENIED,
    FENCED,
    INCOMPATIBLE,
    BUG,
    DIFFERENT,
    INCOMPLETE,
];

pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  a problem in what was given: a definition, an event, a verb that the journey's state refuses
  2  the command line is wrong
  3  the configuration is wrong; every reason was printed
  4  the journal cannot be used: another process has it, its format is unknown, the disk is full or fails
  5  the server cannot be reached, or failed
  6  the command is recorded, but not every shard has taken it yet
  7  a file cannot be read or written
  8  Kafka: no broker can be reached
  9  Kafka: a topic is missing, which `topics apply` makes
 10  Kafka: denied: a permission is missing, or the password is wrong
 11  Kafka: fenced: another process runs under this instance's name
 12  the state does not fit; Kafka: nor do the topics: partitions, compaction, another program's group
 13  a bug: inputs panicked again and again, or counts do not add up; a restart goes on from the last commit
 14  a replay of a journal decides something else than the journal holds
 15  not all of the range could be replayed: what that needs is not kept any more

Begin with `wayfarer demo`.";
