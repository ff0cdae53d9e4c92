//! Every metric: its name, kind, unit and labels, what it means, and when it should wake somebody.
//!
//! Identities, in every scrape (summed over `worker` where there is that label):
//!
//! - `events_read = events_rejected + events_duplicate + events_unmentioned + events_decided`
//! - for each journey and version: `journey_entered + journey_moved_in = journey_waiting + journey_held +
//!   journey_at_send + journey_draining + Σ journey_exited + journey_moved_out`; `journey_conserved`
//!   says whether
//! - `latency_seconds_count{stage="commit"} = commits`
//!
//! The buckets of histograms have the bounds of Prometheus' native histograms of schema 2, four to an octave:
//! `convert_classic_histograms_to_nhcb` takes them as they are, and a quantile read off them is wrong by 9 %
//! at most. Delivery is measured of the newest 65,536 sends of a worker that wait for a receipt; what was
//! sent before a restart, or before the first receipt, is not among them.
//!
//! A counter starts at zero with the process, but those of a journey go on where the journal left them.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name gets `_total`.
    Counter,
    /// A value of now.
    Gauge,
    /// A distribution; its name gets `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name without what its kind adds.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// The unit of its value.
    pub unit: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
    /// What to alert on; empty if it is only there to look at.
    pub alert: &'static str,
}

/// `CONST "name" Kind, "unit", [labels], "alert";` with its documentation, which is also its help.
macro_rules! metrics {
    ($(
        $(#[doc = $doc:literal])+
        $id:ident $name:literal $kind:ident, $unit:literal, $labels:expr, $alert:literal;
    )*) => {
        $(
            $(#[doc = $doc])+
            pub const $id: Metric = Metric {
                name: concat!("wayfarer_", $name),
                kind: Kind::$kind,
                unit: $unit,
                labels: &$labels,
                help: concat!($($doc),+),
                alert: $alert,
            };
        )*
        /// All of them, in the order in which they are shown.
        pub static ALL: &[&Metric] = &[$( &$id, )*];
    };
}

/// The label of the worker thread.
const WORKER: [&str; 1] = ["worker"];
/// The label of a shard.
const SHARD: [&str; 1] = ["shard"];
/// The labels of a journey's version.
const VERSION: [&str; 2] = ["journey", "version"];

metrics! {
    /// 1 if events are being processed, 0 if not: what `/readyz` says, which also says why not.
    READY "ready" Gauge, "bool", [], "0 for 1 min";

    /// Events read from their inputs, whatever became of them.
    EVENTS_READ "events_read" Counter, "events", WORKER, "rate 0 for 30 s while events_unread > 0";
    /// Events that could not be decoded; their bytes are in the dead letters.
    EVENTS_REJECTED "events_rejected" Counter, "events", WORKER, "rate above what is usual";
    /// Events whose message id was seen within the window; they did nothing.
    EVENTS_DUPLICATE "events_duplicate" Counter, "events", WORKER, "";
    /// Events whose name no published journey mentions.
    EVENTS_UNMENTIONED "events_unmentioned" Counter, "events", WORKER, "";
    /// Events that were put to the journeys that mention them.
    EVENTS_DECIDED "events_decided" Counter, "events", WORKER, "";
    /// Receipts of messages (delivered, failed, clicked) that were taken.
    RECEIPTS "receipts" Counter, "receipts", WORKER, "0 for 15 min while sends grow, where receipts come at all";
    /// Receipts that say that a message arrived.
    RECEIPTS_DELIVERED "receipts_delivered" Counter, "receipts", WORKER, "";
    /// Receipts that say that a message will never arrive.
    RECEIPTS_FAILED "receipts_failed" Counter, "receipts", WORKER, "above a twentieth of all receipts";
    /// Entries by API that were taken, admitted or refused.
    API_ENTRIES "api_entries" Counter, "entries", WORKER, "";
    /// Rows of audience lists that were taken, admitted or refused.
    LIST_ROWS "list_rows" Counter, "rows", WORKER, "";
    /// Receipts, entries, rows, removals and deletions that could not be understood; they are in the dead letters.
    RECORDS_REJECTED "records_rejected" Counter, "records", WORKER, "any: somebody else writes into our topics";
    /// Timers that fired.
    TIMERS_FIRED "timers_fired" Counter, "timers", WORKER, "";
    /// Held users who were let go by Resume or Reactivate.
    RELEASED "released" Counter, "enrollments", WORKER, "";
    /// Sends that were handed over: committed, each once.
    SENDS "sends" Counter, "sends", WORKER, "";
    /// Cycles of the worker, with or without something to do.
    CYCLES "cycles" Counter, "cycles", WORKER, "";
    /// Commits that succeeded.
    COMMITS "commits" Counter, "commits", WORKER, "";
    /// Commits that failed; what they would have written was undone, and is tried again.
    COMMITS_FAILED "commits_failed" Counter, "commits", WORKER, "any: the disk is full or fails";
    /// Inputs whose handling panicked; a bug. The input was rejected with its bytes, or its user parked.
    PANICS "panics" Counter, "inputs", WORKER, "any";

    /// Transactions that were refused and have left nothing: Kafka only, as all that begins so.
    TRANSACTIONS_ABORTED "transactions_aborted" Counter, "transactions", WORKER, "rate above what is usual";
    /// Transactions whose outcome nobody knew; their offsets told it, and nothing was decided before.
    TRANSACTIONS_UNKNOWN "transactions_unknown" Counter, "transactions", WORKER, "any beside brokers that restart";
    /// Transactions that were refused because another process has this one's name.
    TRANSACTIONS_FENCED "transactions_fenced" Counter, "transactions", WORKER, "any";
    /// Records in committed transactions; commits says how many those were, latency_seconds how long they took.
    TRANSACTION_RECORDS "transaction_records" Counter, "records", WORKER, "";
    /// Partitions that committed transactions wrote to; each costs its commit a marker.
    TRANSACTION_PARTITIONS "transaction_partitions" Counter, "partitions", WORKER, "above 32 a commit";
    /// How often the consumer group gave shards or took some, be it none.
    REBALANCES "rebalances" Counter, "rebalances", WORKER, "more than 3 in 10 min";
    /// Shards that the consumer group gave.
    SHARDS_GAINED "shards_gained" Counter, "shards", WORKER, "";
    /// Shards that the consumer group took, or that were lost with the membership.
    SHARDS_LOST "shards_lost" Counter, "shards", WORKER, "";
    /// Shards whose state was read from its topic.
    SHARDS_LOADED "shards_loaded" Counter, "shards", WORKER, "";

    /// Events that are accepted and not yet read, as far as the journal can count them, and lines of followed
    /// files that wait.
    EVENTS_UNREAD "events_unread" Gauge, "events", WORKER, "growing for 5 min";
    /// Users who are known: in a journey, or remembered for re-entry or their traits.
    USERS "users" Gauge, "users", WORKER, "";
    /// Timers that are set.
    TIMERS "timers" Gauge, "timers", WORKER, "";
    /// Users whose records are still of the format before: nought, but for a while after `ctl format`.
    PAGES_TO_RENEW "pages_to_renew" Gauge, "users", WORKER, "";
    /// For how long message ids are remembered in fact; shorter than configured when memory does not suffice.
    DUPLICATE_WINDOW "duplicate_window_seconds" Gauge, "seconds", WORKER, "below engine.duplicate_window";

    /// Shards that the journal has, over all instances.
    SHARDS "shards" Gauge, "shards", [], "";
    /// Shards that are open: their events are decided here.
    SHARDS_OPEN "shards_open" Gauge, "shards", WORKER, "the sum over all instances below shards for 2 min";
    /// Shards that are to be open here and are not yet.
    SHARDS_PENDING "shards_pending" Gauge, "shards", WORKER, "above 0 for 1 min";
    /// Offsets of the state topic that have been read of the shards being loaded now.
    LOAD_OFFSETS "load_offsets" Gauge, "offsets", WORKER, "";
    /// Offsets of the state topic that will have been read of them.
    LOAD_OFFSETS_EXPECTED "load_offsets_expected" Gauge, "offsets", WORKER, "";
    /// Records that the worker has read to restore its shards; of as many as RESTORE_RECORDS_EXPECTED says.
    RESTORE_RECORDS "restore_records" Gauge, "records", WORKER, "";
    /// Records that the restore will have read: an estimate until it is done, then the number.
    RESTORE_RECORDS_EXPECTED "restore_records_expected" Gauge, "records", WORKER, "";
    /// For how long the worker has been restoring its shards, or how long it took, in whole seconds.
    RESTORE_SECONDS "restore_seconds" Gauge, "seconds", WORKER, "above 15";

    /// Records of its inputs that an open shard has not read yet: its lag.
    SHARD_UNREAD "shard_unread" Gauge, "records", SHARD, "growing for 5 min";
    /// The number of the last command that an open shard has taken.
    SHARD_EPOCH "shard_epoch" Gauge, "number", SHARD, "below control_epoch for 1 min";
    /// The number of the last command that this instance knows.
    CONTROL_EPOCH "control_epoch" Gauge, "number", [], "instances differ for 1 min";

    /// Commands that were answered before every shard had taken them: gate_flip does not have them.
    COMMANDS_PENDING "commands_pending" Counter, "commands", [], "any: a shard is not taking commands";

    /// How long something took, by stage: event_to_decision and event_to_commit run from an event's arrival,
    /// commit is the write itself, on Kafka the whole transaction, gate_flip runs from an operator's verb until
    /// every shard has committed it, timer_lateness from a timer's deadline until it fired, delivery from a
    /// send's commit until the receipt that says it was delivered.
    LATENCY "latency_seconds" Histogram, "seconds", ["stage"],
        "p99 of event_to_commit, commit, gate_flip or timer_lateness > 1 s";
    /// How fast a release let held users go, one observation a release of a shard: users a second from when the
    /// shard began until the commit with which it was done.
    RELEASE_RATE "release_users_per_second" Histogram, "users_per_second", [], "";

    /// Enrollments that were created.
    JOURNEY_ENTERED "journey_entered" Counter, "enrollments", VERSION, "";
    /// Enrollments that came from an older version.
    JOURNEY_MOVED_IN "journey_moved_in" Counter, "enrollments", VERSION, "";
    /// Enrollments that went to a newer version.
    JOURNEY_MOVED_OUT "journey_moved_out" Counter, "enrollments", VERSION, "";
    /// Enrollments that wait for an event, a time or nothing in particular.
    JOURNEY_WAITING "journey_waiting" Gauge, "enrollments", VERSION, "";
    /// Enrollments that fell due under a held gate, or are parked.
    JOURNEY_HELD "journey_held" Gauge, "enrollments", VERSION, "";
    /// Enrollments that are held because a failure parked them, until an operator releases them; counted in
    /// journey_held too.
    JOURNEY_PARKED "journey_parked" Gauge, "enrollments", VERSION, "above 0: look, then `ctl release`";
    /// Enrollments past the gate of a send whose own rate still holds the message back.
    JOURNEY_AT_SEND "journey_at_send" Gauge, "enrollments", VERSION, "growing: the node's rate is too low";
    /// Enrollments of a stopped journey that have not left yet.
    JOURNEY_DRAINING "journey_draining" Gauge, "enrollments", VERSION, "above 0 after the drain window";
    /// Enrollments that have left, by reason.
    JOURNEY_EXITED "journey_exited" Counter, "enrollments", ["journey", "version", "reason"], "";
    /// Enrollments that reached a goal, inside or within the conversion window.
    JOURNEY_CONVERTED "journey_converted" Counter, "enrollments", VERSION, "";
    /// Sends that a journey handed over.
    JOURNEY_SENDS "journey_sends" Counter, "sends", VERSION, "";
    /// 1 if the conservation identity holds, 0 if enrollments were lost or made up; a bug.
    JOURNEY_CONSERVED "journey_conserved" Gauge, "bool", VERSION, "0 at any time";
    /// Users who qualified and were refused at a gate, by reason.
    JOURNEY_REFUSED "journey_refused" Counter, "users", ["journey", "reason"], "";
    /// Versions of journeys without lines of their own, because metrics.journeys_max are shown.
    JOURNEYS_UNLISTED "journeys_unlisted" Gauge, "versions", [], "above 0: raise metrics.journeys_max";
    /// Versions of journeys for which the conservation identity does not hold, those without lines among
    /// them.
    JOURNEYS_NOT_CONSERVED "journeys_not_conserved" Gauge, "versions", [], "above 0";

    /// Requests that were answered over HTTP, by class of the status.
    HTTP_ANSWERS "http_answers" Counter, "requests", ["class"], "rate of 5xx above 1 % of all";
}
