//! The demo's words and its script: what is said, which verb is given when, and for how long one then
//! watches.
//!
//! To be edited like prose. Lines of text are printed as they stand here, so keep them within 96 columns (a
//! moral within 92). Whatever is claimed here is asserted from the output by `tests/demo`.

use crate::lifecycle::{EntryGate, MovementGate};

/// A time of the script: day from 0 (Sunday, 1 March), hour, minute.
pub(super) type When = (i64, i64, i64);

/// One chapter.
pub(super) struct Scene {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// Before anything happens.
    pub(super) text: &'static str,
    pub(super) beats: &'static [Beat],
    /// What was to be seen; may be empty.
    pub(super) moral: &'static str,
}

/// One thing that is done.
pub(super) enum Beat {
    /// Time passes until then, without being shown.
    Until(When),
    /// The operator gives verbs, at the present time: to the journey under CleverTap's rules, to the one
    /// under Antsomi's.
    Give { clevertap: Option<&'static str>, antsomi: Option<&'static str>, why: &'static str },
    /// The operator saves a new text for the Antsomi journey's reminder.
    Edit { why: &'static str },
    /// Time passes, and every so many minutes the two journeys are counted.
    Watch { until: When, every_minutes: i64 },
    /// Something to point at.
    Say(&'static str),
    /// The list journey, from its list to its abort.
    List,
    /// The drain after the stop, day by day.
    Drain,
    /// One user's story.
    Explain,
    /// All states of both dialects over the two gates.
    Map,
}

/// Above everything.
pub(super) const INTRO: &str = "\
A journey is a small program that each customer walks through: wait, send, wait, send. Marketing
people draw it, and an operator switches it on, pauses it, stops it. This shop's is called
cart-rescue. It is for people who fill a cart and walk away:

              ENTRY            MOVEMENT             MOVEMENT                  MOVEMENT
                ┃                  ┃                    ┃                         ┃
  fills a cart ─╂▶ comes in ───────╂▶ waits 30 min ─────╂▶ reminder, one day ─────╂▶ coupon, out
                ┃                  ┃                    ┃                         ┃
                   who buys is out at once, from anywhere: leaving needs no gate

Everything that an operator can do to a journey comes down to two gates:

  the ENTRY gate      asked once, when somebody qualifies (here: fills a cart)
                        open   come in
                        shut   stay out; nobody comes back later to ask again
  the MOVEMENT gate   asked whenever somebody inside is about to take the next step
                        open   take it
                        held   stand still; you will go on later
                        shut   never again: leave, spread over 30 days

Products give names to combinations of the two, and do not agree on the names. So the same
cart-rescue runs twice here, for the same shoppers, under the rules of CleverTap and of Antsomi.";

/// The chapters, in order.
pub(super) const SCENES: &[Scene] = &[
    Scene {
        id: "running",
        title: "Both gates open",
        text: "\
Published in one, activated in the other, and the shop opens. A day later the two are counted
every two hours. In those hours: entered, away (turned away by the entry gate), sent. At their
end: waiting (in a step), held (before a step, by the movement gate).",
        beats: &[
            Beat::Give { clevertap: Some("publish"), antsomi: Some("activate"), why: "goes live" },
            Beat::Until((1, 10, 0)),
            Beat::Watch { until: (1, 18, 0), every_minutes: 120 },
        ],
        moral: "\
No difference yet: with both gates open a journey just runs.",
    },
    Scene {
        id: "pause",
        title: "\"Paused\" means two opposite things",
        text: "\
The reminder has a wrong price in it. The operator does what anybody would do: pause.",
        beats: &[
            Beat::Until((2, 10, 0)),
            Beat::Give { clevertap: Some("pause"), antsomi: Some("pause"), why: "the same word to both" },
            Beat::Watch { until: (2, 18, 0), every_minutes: 120 },
        ],
        moral: "\
CleverTap's Paused shuts the door: nobody comes in, and those inside go on and still get
the wrong reminder. Antsomi's Paused stops the feet: everybody still comes in, and nobody
gets anything. Whoever has used one of the two products is wrong about the other.",
    },
    Scene {
        id: "resume",
        title: "The way back takes one verb in CleverTap, two in Antsomi",
        text: "",
        beats: &[
            Beat::Give {
                clevertap: Some("resume"),
                antsomi: Some("resume"),
                why: "the same word again, and one of them is refused",
            },
            Beat::Give { clevertap: None, antsomi: Some("reactivate"), why: "as it says, then" },
            Beat::Watch { until: (2, 19, 0), every_minutes: 30 },
            Beat::Say(
                "\
Look at held: new arrivals move again, but whoever was held stays held. The gate is open; being
held is the customer's own mark, and the second verb takes it off:",
            ),
            Beat::Give { clevertap: None, antsomi: Some("resume"), why: "now the held may go" },
            Beat::Watch { until: (2, 20, 0), every_minutes: 10 },
        ],
        moral: "\
The held go on eighty a minute, the longest-waiting first, so that a day's worth of messages
is not one burst. Those who came in while it was paused wait their half hour only now: their
reminders go out from 19:30 on. In CleverTap nobody was held, so nobody is let go, and
whoever was turned away stays away: a gate that opens never looks back.",
    },
    Scene {
        id: "freeze",
        title: "Antsomi can also do both at once: Frozen",
        text: "",
        beats: &[
            Beat::Until((3, 10, 0)),
            Beat::Give {
                clevertap: Some("freeze"),
                antsomi: Some("freeze"),
                why: "one product has no such verb",
            },
            Beat::Watch { until: (3, 14, 0), every_minutes: 60 },
            Beat::Edit { why: "nothing moves, so it is a good moment to mend the reminder's text" },
            Beat::Give {
                clevertap: None,
                antsomi: Some("reactivate"),
                why: "from Frozen, one verb does all",
            },
            Beat::Watch { until: (3, 15, 0), every_minutes: 15 },
        ],
        moral: "\
Nobody in, nobody on. From Frozen, Reactivate opens both gates, lets the held go, and moves
everybody inside to the mended version 2, each at the step where they stood.",
    },
    Scene {
        id: "close",
        title: "CleverTap's Paused does exist in Antsomi: it is called Closed",
        text: "",
        beats: &[
            Beat::Until((5, 12, 0)),
            Beat::Give { clevertap: Some("pause"), antsomi: Some("close"), why: "two words this time" },
            Beat::Watch { until: (5, 18, 0), every_minutes: 120 },
            Beat::Give { clevertap: Some("resume"), antsomi: Some("reactivate"), why: "and back" },
        ],
        moral: "\
Different words, the same gates, and the two columns do the same. That is why nothing inside
Wayfarer knows the word \"paused\": it knows two gates, and each product's words are a table
over them (`wayfarer states` prints it).",
    },
    Scene {
        id: "list",
        title: "What an abort cannot call back: messages that are already at their send step",
        text: "\
Another journey, birthday-offers (Antsomi), takes its people from a list. It is uploaded
tonight; the messages go out at 08:30 in Bangkok, which is 07:00 here, as fast as the gateways
take them.",
        beats: &[Beat::List],
        moral: "\
The movement gate is asked before a step starts. These had started: past the gate, only
queueing for the gateway. Nobody else starts a step any more, so once the queue is empty
nothing of that journey is ever sent again.",
    },
    Scene {
        id: "stop",
        title: "The end: stopped, aborted, and drained over 30 days",
        text: "",
        beats: &[
            Beat::Until((6, 20, 0)),
            Beat::Give { clevertap: Some("stop"), antsomi: Some("abort"), why: "the campaign is over" },
            Beat::Drain,
        ],
        moral: "\
From that moment on nobody comes in and nobody gets anything. Each of those inside leaves at
a time of their own within the 30 days, so that no system behind sees them all at once, and
the memory that they took is given back as they go. Who buys meanwhile still counts as
converted. (A stopped journey never starts again; a copy of it begins with nobody inside.)",
    },
    Scene {
        id: "explain",
        title: "\"Why did u17 not get the reminder?\"",
        text: "\
u17 filled a cart on Tuesday at 11:00, when both journeys were paused, and never heard from us
in either. Not for the same reason:",
        beats: &[Beat::Explain],
        moral: "\
In CleverTap u17 never was inside. In Antsomi u17 was inside and held, and left by buying:
leaving is not a step, so no gate holds it. Else the buyer would get the reminder at Resume.
(`wayfarer explain USER` tells this of anybody.)",
    },
    Scene {
        id: "map",
        title: "All states on one map",
        text: "\
Five combinations of the two gates, and every state in which somebody can be inside:",
        beats: &[Beat::Map],
        moral: "\
Find Paused, twice: bottom left is CleverTap's, top middle is Antsomi's.",
    },
];

/// What an entry gate means for those outside.
pub(super) const fn entry(gate: EntryGate) -> &'static str {
    match gate {
        EntryGate::Open => "whoever qualifies comes in",
        EntryGate::Shut => "nobody comes in",
    }
}

/// What a movement gate means for those inside.
pub(super) const fn movement(gate: MovementGate) -> &'static str {
    match gate {
        MovementGate::Open => "those inside go on",
        MovementGate::Held => "those inside stand still",
        MovementGate::Shut => "those inside leave in 30 days",
    }
}

/// The beginning of the list's scene.
pub(super) const LIST_TAKEN: &str = "\
The list has {rows} people. All of them are inside now, and the list is used up, so the journey
shut its own entry gate. Nobody gave a verb for that:";

/// The moment of its abort.
pub(super) const LIST_ABORT: &str = "\
At 07:00:00 everybody falls due at once. Five seconds later somebody notices that the coupon
code is wrong:";

/// What became of the messages.
pub(super) const LIST_AFTER: &str = "  messages handed over before the abort     {before:>6}
  at the send step, queued for the gateway  {at_send:>6}   past the movement gate
  handed over after the abort               {after:>6}   the last at {last}
  sent to anybody else after the abort      {other:>6}";

/// What is under a line of the drain: the last to leave.
pub(super) const DRAINED: &str = "\
the last, {user}, left on {at}
            sent after the stop: {sent}; bought while draining: {bought}";

/// Above the days of the drain.
pub(super) const DRAIN: &str = "\
Meanwhile the shop goes on, and nobody touches the two journeys:";

/// How a movement of one user is told. `node` and `detail` are as on the wire.
pub(super) fn movement_of(what: &str, node: &str, detail: &str) -> String {
    match what {
        "entered" => "qualifies, and the entry gate is open: comes in".to_owned(),
        "held" => format!("the movement gate says: held. Stands still before the step {node:?}"),
        "started" => format!("takes the step {node:?}"),
        "waiting" => format!("waits in the step {node:?}"),
        "released" => format!("is let go before the step {node:?}"),
        "converted" => format!("buys: the goal {detail:?} is reached"),
        "exited" => format!("is out, with the reason {detail:?}. No gate was asked"),
        _ => format!("{what} {node} {detail}").trim_end().to_owned(),
    }
}

/// How a refusal is told.
pub(super) fn refusal_of(reason: &str, state: &str) -> String {
    match reason {
        "entry_shut" => format!("qualifies, and the entry gate is shut ({state}): turned away, {reason:?}"),
        _ => format!("qualifies, and is turned away: {reason:?} ({state})"),
    }
}

/// Above the ledger.
pub(super) const LEDGER: &str = "\
Everybody who ever came in is somewhere: still inside, or out for a reason. Per journey and
version: entered + moved in = waiting + held + at send + draining + out + moved out.";

/// Above the refusals.
pub(super) const REFUSALS: &str = "\
Nobody is turned away silently. By journey and reason:";

/// What each reason means, in the order in which the entry gate asks.
pub(super) const REASONS: &[(&str, &str)] = &[
    ("no_such_entry", "the journey takes no such entries"),
    ("entry_shut", "the entry gate was shut"),
    ("before_opening", "it happened before the gate was opened last"),
    ("late", "the event came more than an hour after it happened"),
    ("inside", "already inside with this very cart or order"),
    ("reentry", "was inside before, and may not come again yet"),
    ("user_limit", "in too many journeys at once"),
    ("entry_limit", "the journey's limit of entries is used up"),
];

/// Above the identities.
pub(super) const IDENTITIES: &str = "\
Checked, some of it against what the journal holds:";

/// At the very end.
pub(super) const OUTRO: &str = "\
Next:  wayfarer states              the two products' states and verbs, over the two gates
       wayfarer check FILES         your own journey, with all of its problems
       wayfarer replay --help       your own recorded events, through the same engine
       wayfarer run                 the same, durably, over HTTP
The journeys of this demo are in config/journeys/. Another seed, other shoppers: --seed 2";
