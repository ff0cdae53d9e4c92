//! Who a user is, in 16 bytes.
//!
//! Most identifiers in the field are UUIDs, hexadecimal or decimal numbers, or short: those are packed and
//! take nothing else. Others lie in [`Bytes`]. Any text comes back exactly as it was; each has one form
//! only, so that comparing with a text is comparing 16 bytes, or one byte string.

use super::bytes::Bytes;
use crate::model::hash::user_hash;

/// A user's identifier, packed. Free it with [`UserId::free`]; it means nothing to another [`Bytes`].
///
/// Byte 8 says which form it is, where a UUID keeps its variant:
///
/// | bits of byte 8 | form |
/// |---|---|
/// | `1.......` | a lower-case UUID text of 36 characters whose 20th is 8 to f, as in all UUIDs of RFC 9562 |
/// | `00..nnnn` | a text of n ≤ 15 bytes, in the other 15 bytes |
/// | `01..nnnn`, n > 0 | 15 + n lower-case hexadecimal digits, so up to 30, in the other 15 bytes |
/// | `01..0000` | a handle of [`Bytes`] |
#[derive(Clone, Copy, Debug)]
pub struct UserId([u8; 16]);

const TAG: usize = 8;
const UUID: u8 = 0x80;
const HEX: u8 = 0x40;
const INLINE_MAX: usize = 15;
const HEX_MAX: usize = 30;

/// Where the runs of hexadecimal digits of a UUID text start and end, and how many digits are before them.
const UUID_RUNS: [(usize, usize, usize); 5] =
    [(0, 8, 0), (9, 13, 8), (14, 18, 12), (19, 23, 16), (24, 36, 20)];
const UUID_DASHES: [usize; 4] = [8, 13, 18, 23];
const UUID_LEN: usize = 36;

const BAD: u8 = 0xff;
/// The value of each lower-case hexadecimal digit, [`BAD`] for every other byte.
const DIGITS: [u8; 256] = {
    let mut digits = [BAD; 256];
    let mut n = 0;
    while n < 16 {
        digits[b"0123456789abcdef"[n] as usize] = n as u8;
        n += 1;
    }
    digits
};

impl UserId {
    /// Packs an identifier; what does not fit goes to `store`.
    #[must_use]
    pub fn new(text: &str, store: &mut Bytes) -> Self {
        Self::pack(text).unwrap_or_else(|| {
            let mut packed = [0; 16];
            packed[TAG] = HEX;
            packed[..4].copy_from_slice(&store.insert(text.as_bytes()).to_le_bytes());
            Self(packed)
        })
    }

    /// Packs an identifier that needs no store; `None` for the others.
    ///
    /// Pack the identifier that is looked for once, and give it to [`UserId::is`].
    #[must_use]
    pub fn pack(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        match text.len() {
            0..=INLINE_MAX => {
                let mut packed = [0; 16];
                let (low, high) = text.split_at(text.len().min(TAG));
                packed[..low.len()].copy_from_slice(low);
                packed[TAG] = text.len() as u8;
                packed[TAG + 1..TAG + 1 + high.len()].copy_from_slice(high);
                Some(Self(packed))
            }
            len @ ..=HEX_MAX => pack_hex(text, len),
            UUID_LEN => pack_uuid(text),
            _ => None,
        }
    }

    /// Whether this is `text`.
    #[must_use]
    pub fn matches(&self, store: &Bytes, text: &str) -> bool {
        self.is(Self::pack(text), store, text)
    }

    /// Whether this is `text`, of which `packed` is [`UserId::pack`].
    #[must_use]
    #[inline]
    pub fn is(&self, packed: Option<Self>, store: &Bytes, text: &str) -> bool {
        match (packed, self.handle()) {
            (Some(packed), _) => packed.0 == self.0,
            (None, Some(handle)) => store.get(handle) == text.as_bytes(),
            (None, None) => false,
        }
    }

    /// Appends the text.
    pub fn write_to(&self, store: &Bytes, out: &mut String) {
        self.with(store, |text| {
            out.push_str(std::str::from_utf8(text).expect("an identifier was packed from a text"));
        });
    }

    /// Appends the bytes of the text.
    pub fn write_bytes_to(&self, store: &Bytes, out: &mut Vec<u8>) {
        self.with(store, |text| out.extend_from_slice(text));
    }

    /// The text in a string of its own.
    #[must_use]
    pub fn to_text(&self, store: &Bytes) -> String {
        let mut text = String::new();
        self.write_to(store, &mut text);
        text
    }

    /// Gives back what the identifier took of `store`.
    pub fn free(self, store: &mut Bytes) {
        if let Some(handle) = self.handle() {
            store.remove(handle);
        }
    }

    /// The hash of the text.
    #[must_use]
    pub fn hash(&self, store: &Bytes) -> u64 {
        self.with(store, |text| {
            user_hash(std::str::from_utf8(text).expect("an identifier was packed from a text"))
        })
    }

    fn handle(&self) -> Option<u32> {
        let [a, b, c, d, ..] = self.0;
        (self.0[TAG] == HEX).then_some(u32::from_le_bytes([a, b, c, d]))
    }

    fn with<R>(&self, store: &Bytes, out: impl FnOnce(&[u8]) -> R) -> R {
        let tag = self.0[TAG];
        let len = usize::from(tag & 0x0f);
        if tag & UUID != 0 {
            let digits = hex(self.0);
            let mut text = [b'-'; UUID_LEN];
            for &(from, to, at) in &UUID_RUNS {
                text[from..to].copy_from_slice(&digits[at..at + (to - from)]);
            }
            return out(&text);
        }
        if let Some(handle) = self.handle() {
            return out(store.get(handle));
        }
        let rest = self.without_tag();
        if tag & HEX == 0 {
            return out(&rest[..len]);
        }
        let mut bytes = [0; 16];
        bytes[..INLINE_MAX].copy_from_slice(&rest);
        out(&hex(bytes)[..INLINE_MAX + len])
    }

    /// The 15 bytes around the tag.
    fn without_tag(&self) -> [u8; INLINE_MAX] {
        let mut rest = [0; INLINE_MAX];
        rest[..TAG].copy_from_slice(&self.0[..TAG]);
        rest[TAG..].copy_from_slice(&self.0[TAG + 1..]);
        rest
    }
}

/// The lower-case digits of sixteen bytes.
fn hex(bytes: [u8; 16]) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [byte >> 4, byte & 15];
    }
    for digit in &mut digits {
        *digit += if *digit < 10 { b'0' } else { b'a' - 10 };
    }
    digits
}

fn pack_uuid(text: &[u8]) -> Option<UserId> {
    let text: &[u8; UUID_LEN] = text.try_into().ok()?;
    let mut digits = [0; 32];
    for &(from, to, at) in &UUID_RUNS {
        digits[at..at + (to - from)].copy_from_slice(&text[from..to]);
    }
    // No table and no branch from here on: the compiler does sixteen digits at once.
    let mut bad = false;
    for digit in &mut digits {
        let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
        bad |= (number >= 10) & (letter >= 6);
        *digit = if letter < 6 { letter + 10 } else { number };
    }
    let mut packed = [0; 16];
    for (byte, pair) in packed.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = pair[0] << 4 | pair[1] & 15;
    }
    let is_uuid = !bad && UUID_DASHES.iter().all(|&at| text[at] == b'-');
    (is_uuid && packed[TAG] & UUID != 0).then_some(UserId(packed))
}

/// `len` is 16 to [`HEX_MAX`].
fn pack_hex(text: &[u8], len: usize) -> Option<UserId> {
    let mut packed = [0; 16];
    for (n, &character) in text.iter().enumerate() {
        let digit = DIGITS[character as usize];
        if digit == BAD {
            return None;
        }
        let at = if n / 2 < TAG { n / 2 } else { n / 2 + 1 };
        packed[at] |= if n % 2 == 0 { digit << 4 } else { digit };
    }
    packed[TAG] = HEX | (len - INLINE_MAX) as u8;
    Some(UserId(packed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_identifier_takes_sixteen_bytes_without_alignment() {
        assert_eq!((size_of::<UserId>(), align_of::<UserId>()), (16, 1));
    }

    #[test]
    fn what_is_common_in_the_field_needs_no_store() {
        for (text, packs) in [
            ("", true),
            ("user-1234567890", true),
            ("user-12345678901", false),
            ("0b9e2f5c-1d3a-4c8e-9f00-1234567890ab", true),
            ("01890a5d-ac96-774b-bcce-b302099a8057", true),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", true),
            ("00000000-0000-0000-0000-000000000000", false),
            ("0B9E2F5C-1D3A-4C8E-9F00-1234567890AB", false),
            ("0b9e2f5c-1d3a-4c8e-9f00-1234567890aB", false),
            ("0b9e2f5c+1d3a-4c8e-9f00-1234567890ab", false),
            ("0b9e2f5c-1d3a-4c8e-9f00-1234567890ag", false),
            ("507f1f77bcf86cd799439011", true),
            ("507F1F77BCF86CD799439011", false),
            ("1234567890123456789", true),
            ("someone@example.com", false),
            ("học-sinh", true),
        ] {
            let mut store = Bytes::new();
            let id = UserId::new(text, &mut store);
            assert_eq!(store.is_empty(), packs, "{text}");
            assert_eq!(id.to_text(&store), text);
            assert!(id.matches(&store, text), "{text}");
        }
    }

    /// Texts of every form, and such as are nearly of a form.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "[0-9a-fA-F]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            "[0-9a-f]{8}[-0]?[0-9a-f]{3,4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-g]{12}",
            "[0-9a-f]{0,40}",
            "\\PC{0,16}",
            "\\PC{0,50}",
            "[ab\u{0}@]{0,18}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_text_comes_back_and_equals_itself_only(a in text(), b in text()) {
            let mut store = Bytes::new();
            let (id_a, id_b) = (UserId::new(&a, &mut store), UserId::new(&b, &mut store));
            for (id, text, other) in [(id_a, &a, &b), (id_b, &b, &a)] {
                prop_assert_eq!(&id.to_text(&store), text);
                let mut bytes = b"<".to_vec();
                id.write_bytes_to(&store, &mut bytes);
                prop_assert_eq!(&bytes[1..], text.as_bytes());
                prop_assert!(id.matches(&store, text));
                prop_assert_eq!(id.matches(&store, other), a == b);
            }
            id_a.free(&mut store);
            id_b.free(&mut store);
            prop_assert!(store.is_empty());
        }
    }
}
