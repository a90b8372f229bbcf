//! How the values of each column are laid out in a file: what the first rows decide, and what never changes.
//!
//! A dictionary pays where values come again and again; where most differ it is the values once more, unsorted, and their
//! numbers, and takes a fifth more than the values alone. Whole numbers, dates and times that hardly repeat are written as
//! their differences. Every reader knows both: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>.

use crate::error::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::collections::HashSet;
use std::hash::Hash;

/// zstd's own default, 3, takes four times as long, as much processor time as all else that liteferry does with a row that
/// it copies, and saves one byte in a hundred.
const ZSTD_LEVEL: i32 = 1;
/// Rows of the first batch that are looked at.
const SAMPLE_ROWS: usize = 8 * 1024;
/// Of so many rows this many may differ for a dictionary to pay: of the rows of a whole row group then hardly more than a
/// fifth do.
const DISTINCT_MAX: (usize, usize) = (4, 5);
/// Precisions up to which a decimal is a whole number of four or eight bytes.
const WHOLE_PRECISION_MAX: u8 = 18;

/// Whether rows may be so large that no value of theirs is to be in memory more often than must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Usual,
    Wide,
}

/// The layout of a file that begins with these rows.
pub(super) fn properties(
    schema: &SchemaRef,
    width: Width,
    first: &RecordBatch,
) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL)
        .map_err(|error| Error::internal("zstd has no such level").because(error))?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(None);
    for (field, array) in schema.fields().iter().zip(first.columns()) {
        let path = || ColumnPath::new(vec![field.name().clone()]);
        let is_large =
            width == Width::Wide && matches!(field.data_type(), DataType::Utf8 | DataType::Binary);
        let repeats = !is_large && repeats(&array.slice(0, array.len().min(SAMPLE_ROWS)));
        properties = properties.set_column_dictionary_enabled(path(), repeats);
        if is_large {
            // The least and the greatest value are copies of values, as a dictionary's are.
            properties = properties.set_column_statistics_enabled(path(), EnabledStatistics::None);
        }
        if is_whole(field.data_type()) {
            properties = properties.set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED);
        }
    }
    Ok(properties.build())
}

/// Whether values are whole numbers in Parquet.
fn is_whole(kind: &DataType) -> bool {
    match kind {
        DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Time64(_)
        | DataType::Timestamp(..) => true,
        DataType::Decimal128(precision, _) => *precision <= WHOLE_PRECISION_MAX,
        _ => false,
    }
}

/// Whether values come often enough for a dictionary.
fn repeats(array: &ArrayRef) -> bool {
    if let Some(texts) = array.as_string_opt::<i32>() {
        return come_again(texts.iter().flatten());
    }
    if let Some(bytes) = array.as_binary_opt::<i32>() {
        return come_again(bytes.iter().flatten());
    }
    let data = array.to_data();
    let width = match data.data_type() {
        DataType::FixedSizeBinary(bytes) => usize::try_from(*bytes).ok(),
        kind => kind.primitive_width(),
    };
    // What has neither is a boolean, and a bit long.
    let (Some(width), [values]) = (width, data.buffers()) else { return false };
    let from = data.offset().saturating_mul(width);
    let values = values.as_slice().get(from..).unwrap_or_default();
    let values = values.chunks_exact(width.max(1)).take(data.len()).enumerate();
    come_again(values.filter(|(at, _)| array.is_valid(*at)).map(|(_, value)| value))
}

fn come_again<T: Eq + Hash>(values: impl Iterator<Item = T>) -> bool {
    let mut count = 0_usize;
    let distinct: HashSet<T> = values.inspect(|_| count += 1).collect();
    let (few, of) = DISTINCT_MAX;
    count > 0 && distinct.len().saturating_mul(of) <= count.saturating_mul(few)
}

#[cfg(test)]
mod tests {
    use super::repeats;
    use arrow_array::{
        ArrayRef, BooleanArray, FixedSizeBinaryArray, Float64Array, Int64Array, StringArray,
    };
    use std::sync::Arc;

    #[test]
    fn values_that_come_again_get_a_dictionary() {
        let number = |at: i64| (at % 2 == 0).then_some(at);
        let floats: Float64Array = (0..1000_i32).map(|at| Some(f64::from(at % 100))).collect();
        let different: Float64Array = (0..1000_i32).map(|at| Some(f64::from(at))).collect();
        let uuids = |of: u8| {
            let all = (0..200_u8).map(|at| [at % of; 16]);
            FixedSizeBinaryArray::try_from_iter(all).unwrap()
        };
        let numbers: Int64Array = (0..1000).map(number).collect();
        let texts: StringArray = (0..1000).map(|at| Some((at % 7).to_string())).collect();
        let cases: [(ArrayRef, bool); 9] = [
            (Arc::new(Float64Array::from(vec![0.5, 0.5])), true),
            (Arc::new(floats), true),
            (Arc::new(different), false),
            (Arc::new(uuids(100)), true),
            (Arc::new(uuids(200)), false),
            (Arc::new(numbers), false),
            (Arc::new(texts), true),
            (Arc::new(Int64Array::from(vec![None; 100])), false),
            (Arc::new(BooleanArray::from(vec![true; 100])), false),
        ];
        for (number, (array, expected)) in cases.iter().enumerate() {
            assert_eq!(repeats(array), *expected, "case {number}");
        }
        let halves: ArrayRef = Arc::new((0..200).chain([7; 200]).collect::<Int64Array>());
        assert!(!repeats(&halves.slice(0, 200)) && repeats(&halves.slice(200, 200)));
    }
}
