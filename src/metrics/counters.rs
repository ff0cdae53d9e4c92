//! The plain numbers of a worker. A field without a metric does not compile, and the other way round.

use super::names::{self, Metric};

/// Fields of `u64`, each shown as a metric.
macro_rules! numbers {
    ($(#[doc = $about:literal])+ $type:ident { $( $field:ident => $metric:ident, )* }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $type {
            $(
                #[doc = concat!("See [`", stringify!($metric), "`](names::", stringify!($metric), ").")]
                pub $field: u64,
            )*
        }
        impl $type {
            /// Each metric with its value.
            pub(super) fn each(&self) -> impl Iterator<Item = (&'static Metric, u64)> + use<> {
                [$( (&names::$metric, self.$field), )*].into_iter()
            }
        }
    };
}

numbers! {
    /// What a worker has counted since the process started.
    Counters {
        events_read => EVENTS_READ,
        events_rejected => EVENTS_REJECTED,
        events_duplicate => EVENTS_DUPLICATE,
        events_unmentioned => EVENTS_UNMENTIONED,
        events_decided => EVENTS_DECIDED,
        receipts => RECEIPTS,
        receipts_delivered => RECEIPTS_DELIVERED,
        receipts_failed => RECEIPTS_FAILED,
        api_entries => API_ENTRIES,
        list_rows => LIST_ROWS,
        records_rejected => RECORDS_REJECTED,
        timers_fired => TIMERS_FIRED,
        released => RELEASED,
        sends => SENDS,
        cycles => CYCLES,
        commits => COMMITS,
        commits_failed => COMMITS_FAILED,
        panics => PANICS,
        transactions_aborted => TRANSACTIONS_ABORTED,
        transactions_unknown => TRANSACTIONS_UNKNOWN,
        transactions_fenced => TRANSACTIONS_FENCED,
        transaction_records => TRANSACTION_RECORDS,
        transaction_partitions => TRANSACTION_PARTITIONS,
        rebalances => REBALANCES,
        shards_gained => SHARDS_GAINED,
        shards_lost => SHARDS_LOST,
        shards_loaded => SHARDS_LOADED,
    }
}

numbers! {
    /// What is so now in a worker's shards, taken together.
    Gauges {
        events_unread => EVENTS_UNREAD,
        users => USERS,
        timers => TIMERS,
        pages_to_renew => PAGES_TO_RENEW,
        duplicate_window_secs => DUPLICATE_WINDOW,
        shards_open => SHARDS_OPEN,
        shards_pending => SHARDS_PENDING,
        load_offsets => LOAD_OFFSETS,
        load_offsets_expected => LOAD_OFFSETS_EXPECTED,
        restore_records => RESTORE_RECORDS,
        restore_records_expected => RESTORE_RECORDS_EXPECTED,
        restore_secs => RESTORE_SECONDS,
    }
}
