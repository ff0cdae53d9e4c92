//! Buffers that are reused from event to event, and what a condition sees through them.

use super::cold::Cold;
use super::profile::Profile;
use super::warm::Ahead;
use crate::journey::catalog::EventProgram;
use crate::journey::condition::{Program, Root, Scope};
use crate::model::{Slots, Value};

/// Buffers that every input reuses, so that the steady state allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The event's properties, by the slots of its program.
    pub(super) properties: Slots,
    /// The user's profile.
    pub(super) profile: Profile,
    /// The enrollment's cold part.
    pub(super) cold: Cold,
    /// What the event's shared conditions said, where they were asked.
    pub(super) verdicts: Vec<Option<bool>>,
    /// The user's enrollments.
    pub(super) handles: Vec<(u32, u64)>,
    /// Traits of an identify.
    pub(super) traits: Slots,
    /// A rendered send, or an encoded profile.
    pub(super) bytes: Vec<u8>,
    /// An encoded cold part.
    pub(super) encoded: Vec<u8>,
    /// A user's id as text.
    pub(super) id: String,
    /// Who was looked up ahead of the events.
    pub(super) ahead: Ahead,
    /// The event told a zone of somebody unknown: it is kept if the event lets them in.
    pub(super) zone_is_new: bool,
}

/// What conditions over an event, its user and an enrollment see.
pub(super) struct View<'a> {
    pub(super) properties: &'a Slots,
    pub(super) attributes: &'a Slots,
    pub(super) entry: &'a Slots,
}

impl Scope for View<'_> {
    fn value(&self, root: Root, slot: u16) -> Value<'_> {
        match root {
            Root::Properties => self.properties.get(usize::from(slot)),
            Root::User => self.attributes.get(usize::from(slot)),
            Root::Entry => self.entry.get(usize::from(slot)),
        }
    }
}

impl Scratch {
    /// Everything that there is to see at present.
    pub(super) fn view(&self) -> View<'_> {
        View {
            properties: &self.properties,
            attributes: &self.profile.attributes,
            entry: &self.cold.variables,
        }
    }

    /// Whether a condition over the present enrollment and user holds.
    pub(super) fn holds(&self, program: &Program) -> bool {
        program.eval(&self.view()).holds()
    }

    /// Whether a condition that the event's rules share holds; evaluated once an event.
    pub(super) fn shared(&mut self, program: &EventProgram, atom: u16) -> bool {
        let at = usize::from(atom);
        if let Some(known) = self.verdicts[at] {
            return known;
        }
        let holds = program.shared[at].eval(&self.view()).holds();
        self.verdicts[at] = Some(holds);
        holds
    }
}

/// Whether two values are equal as a correlation means it: both there, of one kind, and the same.
pub(super) fn correlates(a: Value<'_>, b: Value<'_>) -> bool {
    match (a, b) {
        (Value::Missing | Value::Null | Value::Composite, _) => false,
        (Value::Int(n), Value::Float(f)) | (Value::Float(f), Value::Int(n)) => n as f64 == f,
        _ => a == b,
    }
}

/// The hash by which values of `entry.key` are told apart; never 0, which means "no key".
pub(super) fn key_hash(value: Value<'_>) -> u64 {
    use xxhash_rust::xxh3::xxh3_64_with_seed as hash;
    let (seed, bytes): (u64, &[u8]) = match &value {
        Value::Missing | Value::Null | Value::Composite => (1, b""),
        Value::Bool(b) => (2, &[u8::from(*b)]),
        Value::Int(n) => (3, &n.to_le_bytes()),
        // A whole number is the same key however it is written.
        Value::Float(f) if f.fract() == 0.0 && f.abs() < 9e15 => (3, &(*f as i64).to_le_bytes()),
        Value::Float(f) => (4, &f.to_le_bytes()),
        Value::Str(text) => (5, text.as_bytes()),
    };
    hash(bytes, seed).max(1)
}
