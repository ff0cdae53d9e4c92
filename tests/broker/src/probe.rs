//! Does a Kafka answer there, and whom does it know? One request of the wire protocol, over plain TCP.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Metadata, in a version that every Kafka since 1.0 speaks.
const API_METADATA: i16 = 3;
const VERSION: i16 = 4;

/// No answer of a few brokers without topics is longer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Loopback answers at once, or is busy starting.
const PATIENCE: Duration = Duration::from_secs(3);

/// The ids of the brokers that are alive, as the one at `address` (`host:port`) sees them.
///
/// A broker answers only when it may serve. An error means: not there, not yet, or no Kafka.
pub fn brokers(address: &str) -> io::Result<Vec<i32>> {
    let address = address.to_socket_addrs()?.next();
    let address = address.ok_or_else(|| malformed("the address names no host"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&request())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > ANSWER_BYTES_MAX {
        return Err(malformed("what answers is no Kafka"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    decode(&answer).ok_or_else(|| malformed("the answer is none of Kafka's"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Asks about no topics.
fn request() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(API_METADATA.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(1_i32.to_be_bytes()); // correlation
    body.extend((-1_i16).to_be_bytes()); // no client id
    body.extend(0_i32.to_be_bytes()); // topics
    body.push(0); // do not create them
    let mut request = i32::try_from(body.len()).expect("it has 15 bytes").to_be_bytes().to_vec();
    request.extend(body);
    request
}

/// Correlation, throttle time, then the brokers: id, host, port, rack.
fn decode(answer: &[u8]) -> Option<Vec<i32>> {
    let mut rest = answer;
    take(&mut rest, 8)?;
    let count = int(&mut rest)?;
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(int(&mut rest)?);
        string(&mut rest)?;
        take(&mut rest, 4)?;
        string(&mut rest)?;
    }
    ids.sort_unstable();
    Some(ids)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

fn int(rest: &mut &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

/// Skips a string that may be null.
fn string(rest: &mut &[u8]) -> Option<()> {
    let length = i16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    take(rest, usize::try_from(length.max(0)).ok()?)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn an_answer_is_read_to_its_brokers_and_a_torn_one_is_refused() {
        let mut answer = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2];
        for id in [2, 1] {
            answer.extend([0, 0, 0, id, 0, 1, b'h', 0, 0, 0x23, 0x84, 0xff, 0xff]);
        }
        assert_eq!(decode(&answer), Some(vec![1, 2]));
        for length in 0..answer.len() {
            assert_eq!(decode(&answer[..length]), None, "cut after {length} bytes");
        }
    }
}
