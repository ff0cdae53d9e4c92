//! Typed values as conditions and variables see them, and the reusable table that holds those of one event.

/// One value: borrowed, cheap to copy.
///
/// `Missing` and `Null` differ: a property that is absent against one that is present and `null`.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Value<'a> {
    /// There is no such property.
    #[default]
    Missing,
    /// The property is `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number written without fraction or exponent that fits 64 bits.
    Int(i64),
    /// Any other number; always finite.
    Float(f64),
    /// A text, unescaped.
    Str(&'a str),
    /// An array or an object: present, and not comparable with anything.
    Composite,
}

/// Owns what [`Value`] borrows. Kept as user attributes and as an enrollment's variables.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum OwnedValue {
    /// See [`Value::Missing`].
    #[default]
    Missing,
    /// See [`Value::Null`].
    Null,
    /// See [`Value::Bool`].
    Bool(bool),
    /// See [`Value::Int`].
    Int(i64),
    /// See [`Value::Float`].
    Float(f64),
    /// See [`Value::Str`].
    Str(String),
    /// See [`Value::Composite`].
    Composite,
}

impl OwnedValue {
    /// The borrowed form.
    #[must_use]
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Int(n) => Value::Int(*n),
            Self::Float(n) => Value::Float(*n),
            Self::Str(s) => Value::Str(s),
            Self::Composite => Value::Composite,
        }
    }
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Missing => Self::Missing,
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(b),
            Value::Int(n) => Self::Int(n),
            Value::Float(n) => Self::Float(n),
            Value::Str(s) => Self::Str(s.to_owned()),
            Value::Composite => Self::Composite,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
enum Cell {
    #[default]
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str {
        start: u32,
        end: u32,
    },
    Composite,
}

/// A row of values, by dense index, that is filled anew for each event without allocating in the steady state.
///
/// Texts are copied into one buffer, so a row borrows nothing from the event that filled it.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    cells: Vec<Cell>,
    text: String,
}

impl Slots {
    /// Forgets all values and makes room for `len` of them, all [`Value::Missing`].
    pub fn reset(&mut self, len: usize) {
        self.cells.clear();
        self.cells.resize(len, Cell::Missing);
        self.text.clear();
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The value at `index`; [`Value::Missing`] beyond the end.
    #[must_use]
    pub fn get(&self, index: usize) -> Value<'_> {
        match self.cells.get(index).copied().unwrap_or_default() {
            Cell::Missing => Value::Missing,
            Cell::Null => Value::Null,
            Cell::Bool(b) => Value::Bool(b),
            Cell::Int(n) => Value::Int(n),
            Cell::Float(n) => Value::Float(n),
            Cell::Str { start, end } => Value::Str(&self.text[start as usize..end as usize]),
            Cell::Composite => Value::Composite,
        }
    }

    /// Sets the value at `index`, which must be below [`Slots::len`].
    pub fn set(&mut self, index: usize, value: Value<'_>) {
        self.cells[index] = match value {
            Value::Missing => Cell::Missing,
            Value::Null => Cell::Null,
            Value::Bool(b) => Cell::Bool(b),
            Value::Int(n) => Cell::Int(n),
            Value::Float(n) => Cell::Float(n),
            Value::Composite => Cell::Composite,
            Value::Str(s) => {
                let start = offset(self.text.len());
                self.text.push_str(s);
                Cell::Str { start, end: offset(self.text.len()) }
            }
        };
    }
}

/// Texts of one event together stay far below 4 GiB: an event may have 256 KiB.
fn offset(len: usize) -> u32 {
    u32::try_from(len).expect("the texts of one event fit 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_give_back_what_was_set_and_forget_it_on_reset() {
        let mut slots = Slots::default();
        slots.reset(3);
        slots.set(0, Value::Str("héllo"));
        slots.set(2, Value::Str(""));
        assert_eq!(
            (slots.get(0), slots.get(1), slots.get(2)),
            (Value::Str("héllo"), Value::Missing, Value::Str(""))
        );
        slots.reset(1);
        assert_eq!(slots.get(0), Value::Missing);
    }
}
