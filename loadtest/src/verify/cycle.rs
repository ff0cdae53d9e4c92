//! The cycles topic by its form on the wire: what each commit of a shard read, in which order.
//!
//! A second reader of it, on purpose: one that shared the engine's would share its mistakes.

/// What stands before every record: the shard, the number of its commit, the commit's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The shard.
    pub shard: u16,
    /// The number of its commit, from 1.
    pub seq: u64,
}

/// One step. Times are milliseconds since 1970, logs are numbers: 0 events, 1 lists, 2 receipts, 3 internal, from 4 on
/// the topics of events beside the first, as the shard's head counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// All records of a log between two offsets.
    Records {
        /// The log.
        log: u8,
        /// The first offset.
        first: u64,
        /// The last offset.
        last: u64,
        /// When they were taken, if not when they were appended.
        at: Option<i64>,
    },
    /// A control record.
    Epoch {
        /// When.
        at: i64,
        /// The number behind its offset.
        number: u64,
    },
    /// Timers.
    Wake {
        /// Up to when.
        at: i64,
    },
    /// A turn of those who are held and may go.
    Release {
        /// When.
        at: i64,
        /// How many of them.
        max: u64,
    },
    /// A record that was given up.
    Poison {
        /// Its log.
        log: u8,
        /// Its offset.
        offset: u64,
        /// When.
        at: i64,
        /// The journey that was charged with it, and the user.
        charge: Option<(String, Option<String>)>,
    },
    /// An enrollment that was given up.
    Park,
    /// Users' records were written in the next format: nothing is decided by that.
    Renew,
    /// What the commit left.
    Committed,
}

/// Reads a record's key; `None` if it is not of this form.
#[must_use]
pub fn origin(key: &[u8]) -> Option<Origin> {
    let (shard, rest) = key.split_first_chunk::<2>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    (rest.len() == 8).then_some(Origin { shard: u16::from_be_bytes(*shard), seq: u64::from_be_bytes(*seq) })
}

/// Reads a record's value; `None` if it is not of this form.
#[must_use]
pub fn steps(bytes: &[u8]) -> Option<Vec<Step>> {
    let mut bytes = Bytes(bytes);
    let mut steps = Vec::new();
    while !bytes.0.is_empty() {
        steps.push(match bytes.byte()? {
            timed @ (0 | 1) => {
                let (log, first, last) = (bytes.byte()?, bytes.varint()?, bytes.varint()?);
                let at = if timed == 1 { Some(bytes.time()?) } else { None };
                Step::Records { log, first, last, at }
            }
            2 => Step::Epoch { at: bytes.time()?, number: bytes.varint()? },
            3 => {
                let at = bytes.time()?;
                bytes.varint()?;
                Step::Wake { at }
            }
            4 => Step::Release { at: bytes.time()?, max: bytes.varint()? },
            5 => {
                let (log, offset, at) = (bytes.byte()?, bytes.varint()?, bytes.time()?);
                let (journey, user) = (bytes.text()?, bytes.text()?);
                Step::Poison { log, offset, at, charge: journey.map(|journey| (journey, user)) }
            }
            6 => {
                bytes.time()?;
                bytes.varint()?;
                Step::Park
            }
            8 => {
                bytes.time()?;
                bytes.varint()?;
                Step::Renew
            }
            7 => {
                bytes.take(16)?;
                Step::Committed
            }
            _ => return None,
        });
    }
    Some(steps)
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn time(&mut self) -> Option<i64> {
        self.take(8)?.try_into().ok().map(i64::from_le_bytes)
    }

    /// Seven bits a byte, the lowest first; the eighth says that there is another.
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A text that may be missing: its length and one, or nought.
    fn text(&mut self) -> Option<Option<String>> {
        let Some(length) = self.varint()?.checked_sub(1) else { return Some(None) };
        let text = self.take(usize::try_from(length).ok()?)?;
        Some(Some(std::str::from_utf8(text).ok()?.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_read_by_its_form_and_half_of_one_is_none() {
        let seven = 7_i64.to_le_bytes();
        let steps_of = |parts: &[&[u8]]| steps(&parts.concat());
        assert_eq!(
            steps_of(&[&[0, 0, 3, 5], &[1, 2, 0x80, 1, 9], &seven, &[2], &seven, &[4]]),
            Some(vec![
                Step::Records { log: 0, first: 3, last: 5, at: None },
                Step::Records { log: 2, first: 128, last: 9, at: Some(7) },
                Step::Epoch { at: 7, number: 4 },
            ])
        );
        assert_eq!(
            steps_of(&[&[5, 0, 4], &seven, &[2, b'j', 0], &[4], &seven, &[1]]),
            Some(vec![
                Step::Poison { log: 0, offset: 4, at: 7, charge: Some(("j".to_owned(), None)) },
                Step::Release { at: 7, max: 1 },
            ])
        );
        for half in [&[0_u8, 0, 3][..], &[3, 1], &[9], &[7, 0]] {
            assert_eq!(steps(half), None, "{half:?}");
        }
        assert_eq!(
            origin(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9]),
            Some(Origin { shard: 1, seq: 2 })
        );
        assert_eq!(origin(b"short"), None);
    }
}
