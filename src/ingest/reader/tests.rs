//! Files as they are found: every ending, every compression, lines that are no messages, and what is said
//! of them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::ingest::decode;
use proptest::prelude::*;

fn reader(bytes: impl Into<Vec<u8>>, format: Format) -> Result<Reader, ReadError> {
    Reader::new("events".to_owned(), Box::new(io::Cursor::new(bytes.into())), format)
}

/// Each line as `line@offset content`, where a reject's content is its code.
fn script(mut reader: Reader) -> String {
    let mut told = String::new();
    loop {
        match reader.next_line() {
            Ok(None) => return told,
            Ok(Some(Line { position, message, .. })) => {
                let content = match &message {
                    Ok(bytes) => String::from_utf8_lossy(bytes),
                    Err(reject) => reject.code.into(),
                };
                told.push_str(&format!("{}@{} {content}\n", position.line, position.offset));
            }
            Err(error) => {
                told.push_str(&format!("{error}\n"));
                return told;
            }
        }
    }
}

fn lines(bytes: impl Into<Vec<u8>>) -> String {
    script(reader(bytes, Format::JsonLines).unwrap())
}

fn table(mapping: &str, bytes: &str) -> String {
    script(reader(bytes, Format::Csv(mapping.parse().unwrap())).unwrap())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// Gives one byte at a time, and is interrupted in between, as pipes are.
struct Trickle(io::Cursor<Vec<u8>>, bool);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buffer.len().min(1);
        self.0.read(&mut buffer[..len])
    }
}

#[test]
fn lines_end_as_they_may_and_empty_ones_are_passed_over() {
    for (bytes, expected) in [
        ("", ""),
        ("\n\r\n  \n", ""),
        ("a", "1@0 a\n"),
        ("a\n", "1@0 a\n"),
        ("a\r\nbc\n\n\r\nd\r", "1@0 a\n2@3 bc\n5@9 d\n"),
        ("\n\na b\r\r\n", "3@2 a b\r\n"),
    ] {
        assert_eq!(lines(bytes), expected, "{bytes:?}");
        let trickle = Trickle(io::Cursor::new(bytes.into()), false);
        let reader = Reader::new("pipe".to_owned(), Box::new(trickle), Format::JsonLines).unwrap();
        assert_eq!(script(reader), expected, "{bytes:?} byte by byte");
    }
}

#[test]
fn a_line_that_is_too_long_is_refused_by_its_place_and_the_next_is_read() {
    for (len, refused) in [
        (LINE_BYTES_MAX, false),
        (LINE_BYTES_MAX + 1, true),
        (chunks::CHUNK_BYTES - 3, true),
        (5 * chunks::CHUNK_BYTES, true),
    ] {
        for end in ["\n", "\r\n"] {
            let text = format!("a{end}{}{end}b", "x".repeat(len));
            let told = lines(text);
            let told: Vec<_> = told.lines().map(|line| &line[..line.len().min(15)]).collect();
            let at = 1 + end.len();
            let long =
                if refused { format!("2@{at} too_large") } else { format!("2@{at} {}", "x".repeat(11)) };
            assert_eq!(told[1], &long[..long.len().min(15)], "{len}");
            assert_eq!((told[0], told[2]), ("1@0 a", &*format!("3@{} b", at + len + end.len())), "{len}");
        }
    }
    assert_eq!(lines("x".repeat(LINE_BYTES_MAX * 3)), "1@0 too_large\n");
}

#[test]
fn compression_is_known_by_the_content() {
    let text = (0..60_000).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>();
    let (head, tail) = text.as_bytes().split_at(300_001);
    let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(head), &zstd(tail)].concat();
    let expected = lines(text.as_str());
    for (what, bytes) in [
        ("gzip", gzip(text.as_bytes())),
        ("two members of gzip", [gzip(head), gzip(tail)].concat()),
        ("zstd", zstd(text.as_bytes())),
        ("frames of zstd with one to be skipped", skipped),
    ] {
        assert!(lines(bytes) == expected, "{what}");
    }
}

#[test]
fn a_bomb_is_one_refused_line() {
    let bomb = gzip(&vec![b'x'; 64 * 1024 * 1024]);
    assert!(bomb.len() < 1024 * 1024);
    assert_eq!(lines(bomb), "1@0 too_large\n");
}

/// A file that grows between two readings.
#[derive(Clone, Default)]
struct Growing(std::sync::Arc<std::sync::Mutex<io::Cursor<Vec<u8>>>>);

impl Growing {
    fn write(&self, bytes: &str) {
        self.0.lock().unwrap().get_mut().extend_from_slice(bytes.as_bytes());
    }
}

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().read(buffer)
    }
}

#[test]
fn a_followed_file_is_asked_again_and_an_unfinished_line_is_waited_for() {
    let file = Growing::default();
    let start = Position { line: 10, offset: 500 };
    let mut reader = Reader::following("log".to_owned(), Box::new(file.clone()), start);
    let long = "x".repeat(LINE_BYTES_MAX + 9);
    for (written, expected, line, offset) in [
        ("", &[][..], 10, 500),
        ("a\nb", &["a"], 10 + 1, 502),
        ("c", &[], 11, 502),
        ("\n\nd\r", &["bc"], 13, 506),
        ("\n", &["d"], 14, 509),
        (&long, &["too_large"], 14, 509 + long.len() as u64),
        ("y", &[], 14, 510 + long.len() as u64),
        ("y\ne\n", &["e"], 16, 514 + long.len() as u64),
    ] {
        file.write(written);
        let mut told = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            told.push(match line.message {
                Ok(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                Err(reject) => reject.code.to_owned(),
            });
        }
        assert_eq!(
            (&*told, reader.position()),
            (&*expected.iter().map(|&s| s.to_owned()).collect::<Vec<_>>(), Position { line, offset })
        );
    }
}

#[test]
fn a_source_that_breaks_off_says_how_far_it_was_read() {
    let text = "{\"n\":1}\n".repeat(100);
    let mut torn_gzip = gzip(text.as_bytes());
    torn_gzip.truncate(torn_gzip.len() - 9);
    let mut torn_zstd = zstd(text.as_bytes());
    torn_zstd.truncate(torn_zstd.len() - 5);
    for bytes in [torn_gzip, torn_zstd, b"\x1f\x8b\x08nothing".to_vec(), b"\x28\xb5\x2f\xfd\x00".to_vec()] {
        let told = lines(bytes);
        assert!(told.contains("events cannot be read beyond line "), "{told}");
    }
    let error = open(Path::new("/nonexistent/events.jsonl"), Format::JsonLines).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/events.jsonl cannot be opened: "), "{error}");
}

#[test]
fn a_table_becomes_messages_with_the_types_that_its_cells_are_written_in() {
    let mapping = "user=customer_id,event=action,timestamp=ts,properties.value=amount,\
                   properties.cart.id=cart,properties.vip=vip,timezone=zone,message_id='m'";
    let rows = "\u{feff}customer_id,action,ts,amount,cart,vip,zone,unused\r\n\
                7,buy,2026-03-01T09:30:00+01:00,12.50,007,True,Europe/Paris,x\r\n\
                \"a \"\"b\"\"\",\"x,\ny\",1772357400,1e999,,no,,\n\
                \n\
                u,buy,2026-03-01 09:30:00 UTC,-0,c,FALSE,,\n";
    let expected = "\
        2@54 {\"type\":\"track\",\"userId\":\"7\",\"event\":\"buy\",\
        \"timestamp\":\"2026-03-01T08:30:00.000Z\",\
        \"properties\":{\"value\":12.50,\"cart\":{\"id\":\"007\"},\"vip\":true},\
        \"context\":{\"timezone\":\"Europe/Paris\"},\"messageId\":\"m\"}\n\
        3@117 {\"type\":\"track\",\"userId\":\"a \\\"b\\\"\",\"event\":\"x,\\ny\",\
        \"timestamp\":\"2026-03-01T09:30:00.000Z\",\
        \"properties\":{\"value\":\"1e999\",\"cart\":{},\"vip\":\"no\"},\
        \"context\":{},\"messageId\":\"m\"}\n\
        6@158 {\"type\":\"track\",\"userId\":\"u\",\"event\":\"buy\",\
        \"timestamp\":\"2026-03-01T09:30:00.000Z\",\
        \"properties\":{\"value\":-0,\"cart\":{\"id\":\"c\"},\"vip\":false},\
        \"context\":{},\"messageId\":\"m\"}\n";
    let told = table(mapping, rows);
    assert_eq!(told, expected);
    for line in told.lines() {
        let (_, message) = line.split_once(' ').unwrap();
        decode(message.as_bytes()).unwrap();
    }
}

#[test]
fn a_bad_record_is_refused_by_line_and_column_and_the_next_is_read() {
    let rows = b"u,t\na,1,2\n\"b,0\nc,0\nd,noon\n,0\ne\xe9,0\nf,0";
    let mapping: Mapping = "user=u,timestamp=t,event='E'".parse().unwrap();
    let mut reader = reader(*rows, Format::Csv(mapping)).unwrap();
    let mut told = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        told.push(match line.message {
            Ok(message) => decode(message).map_or_else(|r| r.to_string(), |event| event.user.into_owned()),
            Err(reject) => reject.to_string(),
        });
    }
    let expected = [
        "line 2 has 3 columns; the header has 2, and so must it",
        "line 3 opens a quote that nothing closes; it must be closed within 262144 bytes",
        "c",
        "line 5, column t: \"noon\" is not a time; \
         write 2026-03-01T09:30:00Z, or seconds or milliseconds since 1970",
        "the message has neither userId nor anonymousId; one must be a string of 1 to 512 bytes",
        "line 7 is not UTF-8 at its byte 1; save it as UTF-8",
        "f",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_header_that_lacks_a_column_is_refused_with_those_it_has() {
    let mapping: Mapping = "user=id,event=name".parse().unwrap();
    for (header, expected) in [
        ("who;name\n", "events does not suit the mapping: there is no column id; its columns are: who, name"),
        ("", "events does not suit the mapping: it is empty; it must begin with a header"),
        ("id\tname\n", ""),
    ] {
        let told = reader(header, Format::Csv(mapping.clone())).map_or_else(|e| e.to_string(), script);
        assert_eq!(told, expected, "{header:?}");
    }
}

proptest! {
    #[test]
    fn what_the_csv_crate_writes_is_read_back(
        rows in prop::collection::vec(prop::array::uniform3("[a-f\"\n\r,;é ]{1,5}"), 0..6),
        crlf: bool, quote_all: bool
    ) {
        let mut writer = ::csv::WriterBuilder::new()
            .terminator(if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') })
            .quote_style(if quote_all { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary })
            .from_writer(Vec::new());
        writer.write_record(["x", "y", "z"]).unwrap();
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        let bytes = writer.into_inner().unwrap();
        let mapping: Mapping = "type='page',user='u',properties=*".parse().unwrap();
        let mut reader = reader(bytes, Format::Csv(mapping)).unwrap();
        for row in &rows {
            let line = reader.next_line().unwrap().expect("a record for each row");
            let message: serde_json::Value = serde_json::from_slice(line.message.unwrap()).unwrap();
            let read = ["x", "y", "z"].map(|column| message["properties"][column].as_str().unwrap());
            prop_assert_eq!(read, [&*row[0], &*row[1], &*row[2]]);
        }
        prop_assert!(reader.next_line().unwrap().is_none());
    }
}
