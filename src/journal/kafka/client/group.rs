//! What a member knows of itself, and what its group has committed.

use std::fmt;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as rk;

use super::consumer::Consumer;
use super::error::Error;
use super::list::List;
use super::partition::Partition;
use super::raw::{self, code};
use super::watchdog::watch;

/// What a group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to be read.
    pub offset: i64,
    /// The bytes that were committed with it.
    pub metadata: Vec<u8>,
}

/// Who commits: group, member and generation as they were when it was taken.
pub struct GroupMetadata(NonNull<rk::rd_kafka_consumer_group_metadata_t>);

// SAFETY: it is a value without ties to a client; it is only read.
unsafe impl Send for GroupMetadata {}
// SAFETY: as above.
unsafe impl Sync for GroupMetadata {}

impl GroupMetadata {
    /// The member's id; never empty.
    pub fn member_id(&self) -> String {
        // SAFETY: the object is ours and alive; the text is copied.
        unsafe { raw::text(rk::rd_kafka_consumer_group_metadata_member_id(self.as_ptr())) }
    }

    /// The generation of the group; never -1.
    pub fn generation(&self) -> i32 {
        // SAFETY: the object is ours and alive.
        unsafe { rk::rd_kafka_consumer_group_metadata_generation_id(self.as_ptr()) }
    }

    pub(super) fn as_ptr(&self) -> *const rk::rd_kafka_consumer_group_metadata_t {
        self.0.as_ptr()
    }
}

impl fmt::Debug for GroupMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of generation {}", self.member_id(), self.generation())
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: the object is ours.
        unsafe { rk::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}

impl Consumer {
    /// The member's id now; empty if it is in no group.
    pub fn member_id(&self) -> String {
        // SAFETY: the client is alive; the text is ours and freed by librdkafka's allocator.
        unsafe {
            let id = rk::rd_kafka_memberid(self.client());
            let text = raw::text(id);
            rk::rd_kafka_mem_free(self.client(), id.cast());
            text
        }
    }

    /// What [`super::Transaction::send_offsets`] wants: to be taken afresh for every transaction.
    ///
    /// # Errors
    /// It is not in the group now. The broker would take such a pair (no member id, generation -1)
    /// unfenced.
    pub fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        // SAFETY: the client is alive; the object is ours.
        let taken = NonNull::new(unsafe { rk::rd_kafka_consumer_group_metadata(self.client()) });
        let metadata =
            taken.map(GroupMetadata).filter(|it| it.generation() >= 0 && !it.member_id().is_empty());
        metadata.ok_or_else(|| {
            let doing = format!("take the membership of {}", self.name());
            Error::new(doing, code::UNKNOWN_MEMBER_ID, "it is not in the group now")
        })
    }

    /// What the group has committed, one for each partition asked for. Waits until no open transaction can
    /// change it, unless the isolation is `Uncommitted`.
    ///
    /// # Errors
    /// The broker refuses, or no answer within `timeout`.
    pub fn committed(
        &self,
        partitions: &[Partition],
        timeout: Duration,
    ) -> Result<Vec<Option<Committed>>, Error> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let _watched = watch(self.name(), "ask for committed positions", timeout);
        let list = List::of(partitions)?;
        // SAFETY: client and list are alive.
        let code =
            unsafe { raw::rd_kafka_committed(self.client(), list.as_ptr(), raw::milliseconds(timeout)) };
        Error::check("ask for committed positions", code)?;
        list.check("ask for the committed position of")?;
        let committed = list.read().into_iter().map(|element| {
            (element.offset >= 0).then_some(Committed { offset: element.offset, metadata: element.metadata })
        });
        Ok(committed.collect())
    }
}
