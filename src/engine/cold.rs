//! The variable part of an enrollment: what only some have, and the properties kept of the entry.
//!
//! One byte says what is there. An enrollment without variables and extras has no cold part at all.

use super::statistics::ExitReason;
use crate::model::{Slots, Value};

const SHIFT: u8 = 1;
const ARMS: u8 = 2;
const LEAVING: u8 = 4;
const PENDING: u8 = 8;

/// The cold part, taken apart. Reused: taking the next one apart costs no allocation.
#[derive(Clone, Debug, Default)]
pub struct Cold {
    /// What is added to the journey time-out, in milliseconds (timer policies `freeze` and `restart`).
    pub shift_ms: i64,
    /// The arms taken at `random_split` nodes that can be passed again: node and arm.
    pub arms: Vec<(u16, u8)>,
    /// Why it leaves once its message is handed over.
    pub leaving: Option<ExitReason>,
    /// The rendered send that its node's rate holds back.
    pub pending: Vec<u8>,
    /// The properties kept of the entry.
    pub variables: Slots,
}

impl Cold {
    /// Forgets everything; `variables` are then all missing.
    pub fn clear(&mut self, variables: usize) {
        self.shift_ms = 0;
        self.arms.clear();
        self.leaving = None;
        self.pending.clear();
        self.variables.reset(variables);
    }

    /// Takes apart what [`Cold::encode`] wrote; missing variables up to `variables` are filled in.
    pub fn decode(&mut self, mut bytes: &[u8], variables: usize) {
        self.clear(variables);
        let Some(head) = take(&mut bytes, 1) else { return };
        let head = head[0];
        if head & SHIFT != 0 {
            self.shift_ms =
                take(&mut bytes, 8).map_or(0, |b| i64::from_le_bytes(b.try_into().unwrap_or_default()));
        }
        if head & ARMS != 0 {
            let count = take(&mut bytes, 1).map_or(0, |b| b[0]);
            for _ in 0..count {
                let Some(b) = take(&mut bytes, 3) else { return };
                self.arms.push((u16::from_le_bytes([b[0], b[1]]), b[2]));
            }
        }
        if head & LEAVING != 0 {
            self.leaving = take(&mut bytes, 1).and_then(|b| ExitReason::from_u8(b[0]));
        }
        if head & PENDING != 0 {
            let len = take_varint(&mut bytes) as usize;
            self.pending.extend_from_slice(take(&mut bytes, len).unwrap_or_default());
        }
        read_values(bytes, &mut self.variables);
    }

    /// Appends the stored form; nothing at all if there is nothing to keep.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(0);
        if self.shift_ms != 0 {
            out[start] |= SHIFT;
            out.extend_from_slice(&self.shift_ms.to_le_bytes());
        }
        if !self.arms.is_empty() {
            out[start] |= ARMS;
            out.push(self.arms.len() as u8);
            for (node, arm) in &self.arms {
                out.extend_from_slice(&node.to_le_bytes());
                out.push(*arm);
            }
        }
        if let Some(reason) = self.leaving {
            out[start] |= LEAVING;
            out.push(reason as u8);
        }
        if !self.pending.is_empty() {
            out[start] |= PENDING;
            put_varint(out, self.pending.len() as u64);
            out.extend_from_slice(&self.pending);
        }
        write_values(&self.variables, out);
        if out.len() == start + 1 && out[start] == 0 {
            out.truncate(start);
        }
    }
}

/// Appends a row of values, without the missing ones at its end.
pub fn write_values(values: &Slots, out: &mut Vec<u8>) {
    let len = (0..values.len()).rev().find(|&i| values.get(i) != Value::Missing).map_or(0, |i| i + 1);
    for i in 0..len {
        match values.get(i) {
            Value::Missing => out.push(0),
            Value::Null => out.push(1),
            Value::Bool(false) => out.push(2),
            Value::Bool(true) => out.push(3),
            Value::Int(n) => {
                out.push(4);
                put_varint(out, ((n << 1) ^ (n >> 63)) as u64);
            }
            Value::Float(n) => {
                out.push(5);
                out.extend_from_slice(&n.to_le_bytes());
            }
            Value::Composite => out.push(6),
            // A short text carries its length in its tag.
            Value::Str(text) if text.len() < 240 => {
                out.push(16 + text.len() as u8);
                out.extend_from_slice(text.as_bytes());
            }
            Value::Str(text) => {
                out.push(7);
                put_varint(out, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// Reads what [`write_values`] wrote into the first slots of `values`.
pub fn read_values(mut bytes: &[u8], values: &mut Slots) {
    let mut index = 0;
    while let Some(tag) = take(&mut bytes, 1) {
        if index >= values.len() {
            return;
        }
        let value = match tag[0] {
            1 => Value::Null,
            2 => Value::Bool(false),
            3 => Value::Bool(true),
            4 => {
                let n = take_varint(&mut bytes);
                Value::Int((n >> 1) as i64 ^ -((n & 1) as i64))
            }
            5 => take(&mut bytes, 8).map_or(Value::Missing, |b| {
                Value::Float(f64::from_le_bytes(b.try_into().unwrap_or_default()))
            }),
            6 => Value::Composite,
            7 => {
                let len = take_varint(&mut bytes) as usize;
                text(take(&mut bytes, len))
            }
            n if n >= 16 => text(take(&mut bytes, usize::from(n - 16))),
            _ => Value::Missing,
        };
        values.set(index, value);
        index += 1;
    }
}

fn text(bytes: Option<&[u8]>) -> Value<'_> {
    bytes.and_then(|b| std::str::from_utf8(b).ok()).map_or(Value::Missing, Value::Str)
}

/// Takes that many bytes off the front.
pub fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(head)
}

/// Appends a number, seven bits a byte, lowest first.
pub fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Takes what [`put_varint`] wrote; what there is of it if it is cut short.
pub fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let Some(byte) = take(bytes, 1) else { break };
        n |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            break;
        }
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = crate::model::value::OwnedValue> {
        use crate::model::value::OwnedValue as V;
        prop_oneof![
            Just(V::Missing),
            Just(V::Null),
            any::<bool>().prop_map(V::Bool),
            any::<i64>().prop_map(V::Int),
            (-1e300f64..1e300).prop_map(V::Float),
            Just(V::Composite),
            ".{0,300}".prop_map(V::Str),
        ]
    }

    proptest! {
        #[test]
        fn a_cold_part_reads_back_as_written(
            values in proptest::collection::vec(value(), 0..6),
            shift in prop_oneof![Just(0i64), any::<i64>()],
            arms in proptest::collection::vec(any::<(u16, u8)>(), 0..3),
            leaving in proptest::option::of(0u8..11),
            pending in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut cold = Cold::default();
            cold.clear(values.len());
            for (i, v) in values.iter().enumerate() {
                cold.variables.set(i, v.as_value());
            }
            (cold.shift_ms, cold.arms, cold.pending) = (shift, arms, pending);
            cold.leaving = leaving.and_then(ExitReason::from_u8);
            let mut bytes = Vec::new();
            cold.encode(&mut bytes);
            let mut read = Cold::default();
            read.decode(&bytes, values.len());
            prop_assert_eq!((read.shift_ms, &read.arms, read.leaving, &read.pending),
                (cold.shift_ms, &cold.arms, cold.leaving, &cold.pending));
            for (i, v) in values.iter().enumerate() {
                prop_assert_eq!(read.variables.get(i), v.as_value());
            }
        }

        #[test]
        fn bytes_that_nobody_wrote_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            Cold::default().decode(&bytes, 4);
        }
    }
}
