//! How the rows of a table are divided: into chunks for the load, into groups for the proof.

use crate::model::{Column, Partition, PgType, RowRange, SourceTable, Stretch};

/// Rows in a bucket, about, and the most buckets that a table has.
const BUCKET_ROWS: u64 = 2048;
const BUCKETS_MAX: u64 = 1024;

/// By chunk where the rowid stands in the target, else by hash of the key.
pub(super) fn partition(source: &SourceTable, columns: &[Column], rows: u64) -> Partition {
    let alias = source
        .rowid_alias
        .filter(|&position| columns.get(position).is_some_and(|column| column.pg == PgType::Int8));
    if let Some(key) = alias {
        Partition::Chunks { key }
    } else {
        let count = (rows / BUCKET_ROWS).clamp(1, BUCKETS_MAX);
        Partition::Buckets { count: usize::try_from(count).unwrap_or(1) }
    }
}

/// Joins neighbouring stretches up to the size of a chunk; together they cover what they covered.
pub(super) fn of(stretches: &[Stretch], chunk_bytes: u64) -> Vec<RowRange> {
    let mut chunks: Vec<RowRange> = Vec::new();
    let mut filled = 0;
    for stretch in stretches {
        match (chunks.last_mut(), stretch.range) {
            (Some(RowRange::Rowids { last, .. }), RowRange::Rowids { last: next_last, .. })
                if filled + stretch.bytes <= chunk_bytes =>
            {
                *last = next_last;
                filled += stretch.bytes;
            }
            _ => {
                chunks.push(stretch.range);
                filled = stretch.bytes;
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::model::{RowRange, Stretch};

    #[test]
    fn chunks_cover_what_the_stretches_covered() {
        let edges = [i64::MIN, -5, 0, 17, 1_000, i64::MAX];
        let stretches: Vec<_> = edges
            .windows(2)
            .enumerate()
            .map(|(number, pair)| Stretch {
                range: RowRange::Rowids {
                    first: if number == 0 { pair[0] } else { pair[0] + 1 },
                    last: pair[1],
                },
                bytes: 8,
                content: None,
            })
            .collect();
        let chunks = of(&stretches, 16);
        assert_eq!(chunks.len(), 3);
        let mut next = Some(i64::MIN);
        for chunk in chunks {
            let RowRange::Rowids { first, last } = chunk else { panic!("{chunk}") };
            assert_eq!(Some(first), next);
            next = last.checked_add(1);
        }
        assert_eq!(next, None, "the last chunk reaches to the end");
    }
}
