//! What instances have decided in all their lives, decided again by the binary from the topics.

use serde_json::Value;
use wayfarer::cli::exit;

use super::deployment::Deployment;

/// The report of a replay and its code; `words` are more arguments.
fn replay(of: &Deployment, words: &[&str]) -> (Option<i32>, Value) {
    let mut command = of.command("looks-on");
    let replayed = command.args(["replay", "--kafka", "--json"]).args(words).output().expect("it starts");
    let (out, err) = (String::from_utf8_lossy(&replayed.stdout), String::from_utf8_lossy(&replayed.stderr));
    let told = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (replayed.status.code(), told)
}

/// While instances run, and without joining them: how many commits were compared.
pub fn while_running(of: &Deployment) -> u64 {
    let owners = of.owners();
    let (code, told) = replay(of, &["--threads", "2"]);
    assert_eq!(code, Some(i32::from(exit::OK)), "{told:#}");
    assert_eq!(of.owners(), owners, "a replay moves no shard");
    told["compared"]["commits"].as_u64().expect("a number")
}

/// On the topics as they were left: all sends are compared; and a send that nobody has decided is found.
pub fn as_left(of: &Deployment, sends: u64) {
    let (code, told) = replay(of, &[]);
    assert_eq!(code, Some(i32::from(exit::OK)), "{told:#}");
    assert_eq!(told["compared"]["sends"].as_u64(), Some(sends), "{told:#}");
    of.scene.commit(&of.topic("sends"), 3, &[r#"{"key":"0","user":"nobody"}"#]);
    let (code, told) = replay(of, &["--shard", "3"]);
    assert_eq!(code, Some(i32::from(exit::DIFFERENT)), "{told:#}");
    let difference = &told["shards"][0]["difference"];
    assert_eq!(
        (difference["what"].as_str(), difference["replayed"].is_null()),
        (Some("send"), true),
        "{told:#}"
    );
}
