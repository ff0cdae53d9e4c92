//! An audience list as it is uploaded, row by row as it is read: a list of ten million is never in memory here.

use std::io::{self, Read};

use crate::traffic::user_id;

/// A table of one column, `user_id`: so many users, counted from 0.
pub struct Rows {
    next: u64,
    end: u64,
    line: Vec<u8>,
    at: usize,
}

/// The bytes of a row, its end included.
pub const ROW: u64 = 37;

impl Rows {
    /// Of that many users.
    #[must_use]
    pub fn new(rows: u64) -> Self {
        Self { next: 0, end: rows, line: b"user_id\n".to_vec(), at: 0 }
    }
}

impl Read for Rows {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            if self.at == self.line.len() {
                if self.next == self.end {
                    break;
                }
                self.line.clear();
                self.line.extend_from_slice(user_id(self.next).as_bytes());
                self.line.push(b'\n');
                (self.next, self.at) = (self.next + 1, 0);
            }
            let some = (into.len() - filled).min(self.line.len() - self.at);
            into[filled..filled + some].copy_from_slice(&self.line[self.at..self.at + some]);
            (filled, self.at) = (filled + some, self.at + some);
        }
        Ok(filled)
    }
}

/// Which row has that user, if any has.
#[must_use]
pub fn row_of(user: &str) -> Option<u64> {
    let number = u64::from_str_radix(user.rsplit('-').next()?, 16).ok()?;
    (user_id(number) == user).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_head_and_each_user_once_whatever_is_read_at_once() {
        let mut whole = String::new();
        Rows::new(50).read_to_string(&mut whole).expect("it can be read");
        assert_eq!(whole.len() as u64, 8 + 50 * ROW);
        let mut lines = whole.lines();
        assert_eq!(lines.next(), Some("user_id"));
        assert!(lines.map(row_of).eq((0..50).map(Some)));
        let (mut rows, mut piece, mut pieces) = (Rows::new(50), [0; 7], Vec::new());
        while let Ok(some @ 1..) = rows.read(&mut piece) {
            pieces.extend_from_slice(&piece[..some]);
        }
        assert_eq!(pieces, whole.as_bytes());
    }

    #[test]
    fn who_is_no_user_of_a_list_has_no_row() {
        for user in ["", "x", "00000000-8b86-4011-b42d-000000000001"] {
            assert_eq!(row_of(user), None, "{user}");
        }
    }
}
