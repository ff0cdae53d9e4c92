//! What one message may be at most. Beyond a limit it is rejected whole; nothing is ever cut short.

/// The longest message, in bytes as received.
///
/// Segment's own limit is 32 KiB; eight times that leaves room for producers that never heard of it, and
/// keeps a batch of a thousand messages within what a worker may hold.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// How deep objects and arrays may nest; the message itself is the first level.
///
/// The decoder recurses, so this bounds its stack. Real events stay below ten.
pub const DEPTH_MAX: usize = 32;

/// How many members all objects of one message may have together.
///
/// Bounds the work of a look-up in properties or traits whatever the byte limit is.
pub const FIELDS_MAX: usize = 1000;

/// The longest user id, in bytes of UTF-8 after unescaping.
///
/// The id is a Kafka key, part of every state record and of every send: 512 bytes hold any mail address
/// (254) and any opaque id that is not a mistake.
pub const USER_BYTES_MAX: usize = 512;

/// The longest event name, in bytes of UTF-8 after unescaping. Names are shown in lists and written in
/// definitions.
pub const NAME_BYTES_MAX: usize = 512;

/// The longest `messageId`, in bytes of UTF-8 after unescaping. Segment allows 100 characters.
pub const MESSAGE_ID_BYTES_MAX: usize = 512;

/// The most messages in one `batch` request. Segment takes 500 KB a batch, which is some 2,500 small
/// messages.
pub const BATCH_MESSAGES_MAX: usize = 5_000;

/// How deep a `batch` body may nest before it is refused whole; bounds the splitter's stack.
///
/// Far above [`DEPTH_MAX`], so that one message that is too deep is refused alone.
pub const BATCH_DEPTH_MAX: usize = 128;

/// The longest body of a `batch` request, in bytes. The edge refuses longer ones before it reads them.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

const _: () = assert!(USER_BYTES_MAX < EVENT_BYTES_MAX && BATCH_BYTES_MAX >= EVENT_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX <= u32::MAX as usize, "the decoder's positions are 32 bits");
