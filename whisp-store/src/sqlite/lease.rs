//! Leasing buckets.

use rusqlite::{Connection, OptionalExtension, Statement};
use whisp_core::id::TenantId;
use whisp_core::store::{Bucket, Fence, Lease, OwnRequest, RenewRequest};

use super::error::Failure;
use super::row::{micros, time};

/// The statements about leases.
pub(super) struct Leases<'c> {
    next_bucket: Statement<'c>,
    is_held: Statement<'c>,
    take: Statement<'c>,
    renew: Statement<'c>,
    release: Statement<'c>,
}

impl<'c> Leases<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> Result<Self, Failure> {
        Ok(Self {
            // The first row of a bucket is its oldest work, so one seek a bucket finds both.
            next_bucket: conn.prepare(
                "SELECT tenant, bucket, due FROM work WHERE (tenant, bucket) > (?1, ?2) \
                 ORDER BY tenant, bucket, due, id LIMIT 1",
            )?,
            is_held: conn.prepare("SELECT 1 FROM lease WHERE tenant = ?1 AND bucket = ?2 AND until > ?3")?,
            take: conn.prepare(
                "INSERT INTO lease (tenant, bucket, fence, until, worker) VALUES (?1, ?2, 1, ?3, ?4) \
                 ON CONFLICT DO UPDATE SET fence = fence + 1, until = excluded.until, worker = excluded.worker \
                 RETURNING fence",
            )?,
            renew: conn.prepare(
                "UPDATE lease SET until = ?4 WHERE tenant = ?1 AND bucket = ?2 AND fence = ?3 AND until > ?5",
            )?,
            release: conn.prepare("UPDATE lease SET until = ?4 WHERE tenant = ?1 AND bucket = ?2 AND fence = ?3")?,
        })
    }

    pub(super) fn own(&mut self, request: &OwnRequest) -> Result<Vec<Lease>, Failure> {
        if request.limit == 0 {
            return Ok(Vec::new());
        }
        let mut free = self.free(micros(request.now))?;
        free.retain(|(due, ..)| *due <= micros(request.due_by));
        free.sort_unstable();
        free.truncate(request.limit);
        free.into_iter().map(|(_, tenant, bucket)| self.take(request, tenant, bucket)).collect()
    }

    /// Returns the buckets with work that nobody holds, each behind the time of its oldest work.
    fn free(&mut self, now: i64) -> Result<Vec<(i64, [u8; 16], u16)>, Failure> {
        let mut free = Vec::new();
        // No tenant is shorter than sixteen bytes, so the empty one stands before all.
        let mut last: (Vec<u8>, u16) = (Vec::new(), 0);
        loop {
            let next = self.next_bucket.query_row((&last.0, last.1), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            let Some((tenant, bucket, due)) = next.optional()? else { return Ok(free) };
            let tenant: [u8; 16] = tenant;
            if !self.is_held.exists((tenant, bucket, now))? {
                free.push((due, tenant, bucket));
            }
            last = (tenant.to_vec(), bucket);
        }
    }

    fn take(&mut self, request: &OwnRequest, tenant: [u8; 16], bucket: u16) -> Result<Lease, Failure> {
        let until = micros(request.until);
        let fence: i64 = self.take.query_row((tenant, bucket, until, request.worker.into_bytes()), |row| row.get(0))?;
        Ok(Lease {
            tenant: TenantId::from_bytes(tenant),
            bucket: Bucket(bucket),
            fence: Fence(u64::try_from(fence).map_err(|_| Failure::corrupt())?),
            until: time(until)?,
        })
    }

    pub(super) fn renew(&mut self, request: &RenewRequest) -> Result<Vec<Lease>, Failure> {
        let until = micros(request.until);
        let mut renewed = Vec::new();
        for lease in &request.leases {
            let Some((tenant, bucket, fence)) = key(lease) else { continue };
            if self.renew.execute((tenant, bucket, fence, until, micros(request.now)))? == 1 {
                renewed.push(Lease { until: time(until)?, ..*lease });
            }
        }
        Ok(renewed)
    }

    pub(super) fn release(&mut self, leases: &[Lease]) -> Result<(), Failure> {
        for (tenant, bucket, fence) in leases.iter().filter_map(key) {
            // A free bucket is one whose lease ended before every time there is.
            self.release.execute((tenant, bucket, fence, micros(chrono::DateTime::<chrono::Utc>::MIN_UTC)))?;
        }
        Ok(())
    }
}

/// A fence beyond an i64 was never given out.
fn key(lease: &Lease) -> Option<([u8; 16], u16, i64)> {
    Some((lease.tenant.into_bytes(), lease.bucket.0, i64::try_from(lease.fence.0).ok()?))
}
