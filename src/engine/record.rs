//! The records of users and enrollments: every byte here is ten megabytes at ten million users.

use crate::engine::storage::user_id::UserId;
use crate::engine::storage::{NONE, wheel::Links};
use crate::journey::catalog::PlanIndex;
use crate::journey::plan::NodeIndex;
use crate::model::{Format, Timestamp};

/// A user that the shard knows: somebody inside, or somebody with a history that counts.
///
/// Laid on half a line of the cache, so that none lies on two.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub struct User {
    /// The id, packed.
    pub id: UserId,
    /// The oldest enrollment, or [`NONE`].
    pub first: u32,
    /// The profile in its byte store, or [`NONE`].
    pub profile: u32,
    /// Its number among the users that the commit under way touches, if the entry there says so too.
    pub touched: u32,
    /// The format in which its page is stored, or will be if it is touched.
    stored: Stored,
}

/// Values that this byte never has tell a place of a slab that is empty.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Stored {
    First = 1,
    Newer = 2,
}

const _: () = assert!(size_of::<Option<User>>() == 32);

impl User {
    /// A user of whom nothing is known yet but who it is.
    #[must_use]
    pub const fn new(id: UserId) -> Self {
        Self { id, first: NONE, profile: NONE, touched: NONE, stored: Stored::First }
    }

    /// The format in which its page is stored.
    #[must_use]
    pub const fn stored_in(&self) -> Format {
        match self.stored {
            Stored::First => Format::FIRST,
            Stored::Newer => Format::WHOLE_DIGEST,
        }
    }

    /// Sets [`User::stored_in`].
    pub fn set_stored_in(&mut self, format: Format) {
        self.stored = if format == Format::FIRST { Stored::First } else { Stored::Newer };
    }
}

/// Where an enrollment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Its node is a wait under way, or (flag [`OUT_OF_STEPS`]) the node to start next.
    Waiting = 0,
    /// It is due, and its node has not started, since the movement gate was held when it fell due.
    Held = 1,
    /// Its send node has started, and the node's own rate holds the message back.
    AtSend = 2,
    /// It qualified while the shard's share of the entry limit was used up; not entered yet.
    AtDoor = 3,
}

/// The mark of whoever is parked, beside the status.
const PARKED: u8 = 128;

impl Status {
    const fn of_bits(state: u8) -> Self {
        match state & !PARKED {
            0 => Self::Waiting,
            1 => Self::Held,
            2 => Self::AtSend,
            _ => Self::AtDoor,
        }
    }

    /// The status of a stored number.
    #[must_use]
    pub const fn from_u8(n: u8) -> Option<Self> {
        match n {
            0 => Some(Self::Waiting),
            1 => Some(Self::Held),
            2 => Some(Self::AtSend),
            3 => Some(Self::AtDoor),
            _ => None,
        }
    }
}

/// The wait is a duration, which a hold may move: under timer policy `freeze`, `until` is in the journey's
/// unfrozen time.
pub const DURATION: u8 = 1;
/// The step budget was used up: the node is started when timers fire next.
pub const OUT_OF_STEPS: u8 = 2;
/// The delay is cut short by its node time-out, which ends the enrollment.
pub const CUT_SHORT: u8 = 4;
/// A goal was reached already.
pub const CONVERTED: u8 = 8;
/// The enrollment is to leave as soon as its message is handed over; the cold part says why.
pub const LEAVING: u8 = 16;
/// The journey time-out ended under a held gate with policy `restart`: it starts anew at Reactivate.
pub const PUT_OFF: u8 = 32;
/// A new version was taken while its message was at send: it takes it when that is out (G15).
pub const ADOPTS_LATE: u8 = 64;
/// The cold part shifts the journey time-out.
pub const SHIFTED: u8 = 128;

/// One user's passage through one version of a journey.
#[derive(Clone, Copy, Debug)]
pub struct Enrollment {
    /// Its user.
    pub user: u32,
    /// The user's next younger enrollment, or [`NONE`].
    pub next: u32,
    /// Its place in the timing wheel.
    pub links: Links,
    /// The variable part in its byte store, or [`NONE`].
    pub cold: u32,
    timer: Millis48,
    until: Millis48,
    entered: Millis48,
    entry: [u16; 3],
    /// Its version.
    pub plan: PlanIndex,
    /// Its node.
    pub node: NodeIndex,
    /// How many nodes it has started, saturating.
    pub starts: u16,
    /// Where it stands, and whether it is parked.
    state: u8,
    /// The flags above.
    pub flags: u8,
}

const _: () = assert!(size_of::<Enrollment>() <= 52);

impl Enrollment {
    /// A new enrollment that stands nowhere yet.
    #[must_use]
    pub fn new(user: u32, plan: PlanIndex, node: NodeIndex, entered: Timestamp, entry: u64) -> Self {
        Self {
            user,
            next: NONE,
            links: Links::default(),
            cold: NONE,
            timer: Millis48::of(Timestamp::MAX),
            until: Millis48::of(entered),
            entered: Millis48::of(entered),
            entry: [entry as u16, (entry >> 16) as u16, (entry >> 32) as u16],
            plan,
            node,
            starts: 0,
            state: Status::Waiting as u8,
            flags: 0,
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        Status::of_bits(self.state)
    }

    /// Sets [`Enrollment::status`]; whoever is parked stays it.
    pub fn set_status(&mut self, status: Status) {
        self.state = self.state & PARKED | status as u8;
    }

    /// Whether it is parked (G17): it starts no node until an operator releases it, whatever the movement gate says.
    #[must_use]
    pub const fn is_parked(&self) -> bool {
        self.state & PARKED != 0
    }

    /// Sets [`Enrollment::is_parked`].
    pub fn set_parked(&mut self, on: bool) {
        self.state = self.state & !PARKED | if on { PARKED } else { 0 };
    }

    /// The status with the mark, as it is stored.
    #[must_use]
    pub const fn state(&self) -> u8 {
        self.state
    }

    /// Sets [`Enrollment::state`]; `false` if there is no such status.
    #[must_use]
    pub fn set_state(&mut self, stored: u8) -> bool {
        self.state = stored;
        Status::from_u8(stored & !PARKED).is_some()
    }

    /// Waiting: the deadline. Held: when it fell due. At send: when its node started. At the door: since when.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until.get()
    }

    /// Sets [`Enrollment::until`].
    pub fn set_until(&mut self, at: Timestamp) {
        self.until = Millis48::of(at);
    }

    /// When it is to be looked at next.
    #[must_use]
    pub fn timer(&self) -> Timestamp {
        self.timer.get()
    }

    /// Sets [`Enrollment::timer`].
    pub fn set_timer(&mut self, at: Timestamp) {
        self.timer = Millis48::of(at);
    }

    /// When it was created.
    #[must_use]
    pub fn entered(&self) -> Timestamp {
        self.entered.get()
    }

    /// Sets [`Enrollment::entered`]: whoever was at the door enters later than it came.
    pub fn set_entered(&mut self, at: Timestamp) {
        self.entered = Millis48::of(at);
    }

    /// Its number in its shard: unique, rising, the tie-breaker of all orders.
    #[must_use]
    pub fn entry(&self) -> u64 {
        u64::from(self.entry[0]) | u64::from(self.entry[1]) << 16 | u64::from(self.entry[2]) << 32
    }

    /// Whether a flag is set.
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Sets or clears a flag.
    pub fn set(&mut self, flag: u8, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }
}

/// A time from 1970 to the year 10,889 in six bytes; earlier is 1970, later is "never".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Millis48([u16; 3]);

const NEVER: u64 = (1 << 48) - 1;

impl Millis48 {
    pub(super) fn to_le_bytes(self) -> [u8; 6] {
        let [[a, b], [c, d], [e, f]] = self.0.map(u16::to_le_bytes);
        [a, b, c, d, e, f]
    }

    pub(super) fn from_le_bytes([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self([[a, b], [c, d], [e, f]].map(u16::from_le_bytes))
    }

    pub(super) fn of(at: Timestamp) -> Self {
        let ms = u64::try_from(at.0).unwrap_or(0).min(NEVER);
        Self([ms as u16, (ms >> 16) as u16, (ms >> 32) as u16])
    }

    pub(super) fn get(self) -> Timestamp {
        let ms = u64::from(self.0[0]) | u64::from(self.0[1]) << 16 | u64::from(self.0[2]) << 32;
        if ms == NEVER { Timestamp::MAX } else { Timestamp(ms as i64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_entry_numbers_survive_packing() {
        let mut e = Enrollment::new(1, 2, 3, Timestamp(1_772_357_400_250), 0x1234_5678_9abc);
        assert_eq!((e.entered(), e.entry()), (Timestamp(1_772_357_400_250), 0x1234_5678_9abc));
        e.set_until(Timestamp::MAX);
        e.set_timer(Timestamp(-5));
        assert_eq!((e.until(), e.timer()), (Timestamp::MAX, Timestamp(0)));
    }
}
