//! Whose partition a key is in, as the producers of the field decide it.
//!
//! A shard is its input partition, so an event that this instance accepts over HTTP must go where any other
//! producer of the input topic would have put that user. Java's producers hash by murmur2, librdkafka's by
//! CRC-32 unless they are told otherwise.

/// How the producers of the events topic choose a partition for a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partitioner {
    /// Java's default (and `murmur2_random` of librdkafka): the positive part of murmur2, modulo the count.
    #[default]
    Murmur2,
    /// librdkafka's default, `consistent_random`: CRC-32 modulo the count.
    Crc32,
}

impl Partitioner {
    /// The partition of `key` among `partitions`, which is at least 1.
    #[must_use]
    pub fn partition(self, key: &[u8], partitions: u16) -> u16 {
        let hash = match self {
            Self::Murmur2 => murmur2(key) & 0x7fff_ffff,
            Self::Crc32 => crc32(key),
        };
        let partitions = u32::from(partitions.max(1));
        u16::try_from(hash % partitions).expect("less than a count of 16 bits")
    }
}

/// MurmurHash2 with the seed of Kafka's Java client.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let k = u32::from_le_bytes(*word).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (k ^ (k >> 24)).wrapping_mul(M);
    }
    for (place, &byte) in rest.iter().enumerate() {
        hash ^= u32::from(byte) << (8 * place);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

fn crc32(key: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(key);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_go_where_java_puts_them() {
        // Of the table in Kafka's own test of its hash (UtilsTest.testMurmur2).
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash as u32, "{key}");
        }
    }

    #[test]
    fn users_go_where_librdkafka_puts_them() {
        // The check value of CRC-32 (IEEE), which librdkafka takes modulo the count.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(Partitioner::Crc32.partition(b"123456789", 64), (0xcbf4_3926_u32 % 64) as u16);
    }
}
