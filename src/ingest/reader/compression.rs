//! Takes gzip and zstd apart, known by their first bytes, as a stream and with bounded memory.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

type Source = Box<dyn Read + Send>;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The magic numbers of zstd frames to be skipped, which `pzstd` writes first, differ in the low half of
/// this byte.
const ZSTD_SKIPPED: u8 = 0x50;
const ZSTD_SKIPPED_REST: &[u8] = &[0x2a, 0x4d, 0x18];

/// How much is asked of a compressed source at once, in bytes.
const READ_BYTES: usize = 128 * 1024;

/// The content of `source`, whatever it is compressed with.
///
/// # Errors
/// If its first bytes cannot be read.
pub(super) fn decompressed(mut source: Source) -> io::Result<Source> {
    let mut head = Vec::with_capacity(4);
    source.by_ref().take(4).read_to_end(&mut head)?;
    let gzip = head.starts_with(GZIP);
    let zstd = head.starts_with(ZSTD) || is_skipped_frame(&head);
    let whole = Cursor::new(head).chain(source);
    Ok(if gzip {
        Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(READ_BYTES, whole)))
    } else if zstd {
        Box::new(ZstdFrames::new(io::BufReader::with_capacity(READ_BYTES, whole)))
    } else {
        Box::new(whole)
    })
}

fn is_skipped_frame(head: &[u8]) -> bool {
    matches!(head, [first, rest @ ..] if first & 0xf0 == ZSTD_SKIPPED && rest == ZSTD_SKIPPED_REST)
}

/// All frames of a zstd stream, one after the other.
///
/// A frame that wants a window above 128 MiB is refused by the decoder, which bounds its memory.
struct ZstdFrames<R> {
    source: R,
    decoder: FrameDecoder,
    open: bool,
}

impl<R: io::BufRead> ZstdFrames<R> {
    fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), open: false }
    }

    /// Begins the next frame that holds something; tells whether there is one.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut self.source.by_ref().take(u64::from(length)), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string())),
            }
        }
        Ok(false)
    }
}

impl<R> ZstdFrames<R> {
    /// Whether the frame that has ended is what was compressed, if it says so.
    fn check(&self) -> io::Result<()> {
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(written), Some(read)) if written != read => {
                let message = format!("zstd checksum {read:08x} in place of {written:08x}");
                Err(io::Error::new(io::ErrorKind::InvalidData, message))
            }
            _ => Ok(()),
        }
    }
}

impl<R: io::BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.open {
                self.open = self.next_frame()?;
                if !self.open {
                    return Ok(0);
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.check()?;
            self.open = false;
        }
    }
}
