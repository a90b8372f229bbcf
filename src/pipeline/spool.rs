//! Cells that are told to the ledger after the rows of their chunk, and names of rows that it told: packed, in memory
//! while they are few, and else in one unnamed file, so that memory does not grow with their number.

use crate::error::{Class, Error, Result};
use crate::model::{
    FormException, Misfit, MisfitReason, RawCell, RejectedRow, Remedy, RowName, StorageClass,
    TextEncoding,
};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::marker::PhantomData;
use tempfile::{SpooledTempFile, spooled_tempfile};

/// Bytes in memory, before all of them go to a file.
const HELD_MAX: usize = 1024 * 1024;

/// Records in the order in which they came.
#[derive(Debug)]
pub struct Spool<T> {
    packed: BufWriter<SpooledTempFile>,
    records: u64,
    of: PhantomData<T>,
}

/// The records of a spool that are not read yet.
#[derive(Debug)]
pub struct Unspooling<T> {
    packed: BufReader<SpooledTempFile>,
    records: u64,
    /// The size of the next record, where it is read already.
    size: Option<u64>,
    of: PhantomData<T>,
}

/// What can be packed.
pub trait Record: Sized {
    /// About the bytes that it takes in memory.
    fn size(&self) -> usize;
    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// What `out` says.
    fn pack(&self, out: &mut impl Write) -> io::Result<()>;
    /// Reads what [`Self::pack`] wrote.
    ///
    /// # Errors
    ///
    /// What `packed` says; bytes that are no record.
    fn unpack(packed: &mut impl Read) -> io::Result<Self>;
}

impl<T> Default for Spool<T> {
    fn default() -> Self {
        let packed = BufWriter::new(spooled_tempfile(HELD_MAX));
        Self { packed, records: 0, of: PhantomData }
    }
}

impl<T: Record> Spool<T> {
    /// Adds one.
    ///
    /// # Errors
    ///
    /// A disk that takes no more.
    pub fn add(&mut self, record: &T) -> Result<()> {
        let size = u64::try_from(record.size()).unwrap_or(u64::MAX);
        self.packed.write_all(&size.to_be_bytes()).map_err(unwritable)?;
        self.records += 1;
        record.pack(&mut self.packed).map_err(unwritable)
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.records
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Reads all of them, from the first on.
    ///
    /// # Errors
    ///
    /// A disk that takes no more.
    pub fn read(self) -> Result<Unspooling<T>> {
        let flushed = self.packed.into_inner().map_err(io::IntoInnerError::into_error);
        let mut file = flushed.map_err(unwritable)?;
        file.rewind().map_err(unwritable)?;
        let packed = BufReader::new(file);
        Ok(Unspooling { packed, records: self.records, size: None, of: PhantomData })
    }
}

impl<T: Record> Unspooling<T> {
    /// The next ones, so many and so many bytes at most; a larger one comes alone. None where none is left.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn next_some(&mut self, count: usize, bytes_max: u64) -> Result<Vec<T>> {
        let (mut some, mut bytes) = (Vec::new(), 0_u64);
        while self.records > 0 && some.len() < count {
            let size = match self.size {
                Some(size) => size,
                None => u64::from_be_bytes(array(&mut self.packed).map_err(unwritable)?),
            };
            bytes = bytes.saturating_add(size);
            if bytes > bytes_max && !some.is_empty() {
                self.size = Some(size);
                break;
            }
            self.size = None;
            some.push(T::unpack(&mut self.packed).map_err(unwritable)?);
            self.records -= 1;
        }
        Ok(some)
    }
}

impl<T: Record> Iterator for Unspooling<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_some(1, u64::MAX).map(|mut one| one.pop()).transpose()
    }
}

/// A temporary file that the disk does not take or give.
fn unwritable(cause: io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::new(Class::Temporary, "cannot put aside in a temporary file what memory shall not hold")
        .todo(format!("make room in {}, or name another folder in TMPDIR", folder.display()))
        .because(cause)
}

impl Record for FormException {
    fn size(&self) -> usize {
        size_of::<Self>() + self.cell.bytes.len() + self.row.size()
    }

    fn pack(&self, out: &mut impl Write) -> io::Result<()> {
        pack_place(&self.row, self.column, &self.cell, out)
    }

    fn unpack(packed: &mut impl Read) -> io::Result<Self> {
        let (row, column, cell) = unpack_place(packed)?;
        Ok(Self { row, column, cell })
    }
}

impl Record for Misfit {
    fn size(&self) -> usize {
        size_of::<Self>() + self.cell.bytes.len() + self.row.size() + self.reason.len()
    }

    fn pack(&self, out: &mut impl Write) -> io::Result<()> {
        pack_place(&self.row, self.column, &self.cell, out)?;
        pack_bytes(self.encoding.name().as_bytes(), out)?;
        pack_bytes(self.reason.as_bytes(), out)?;
        pack_bytes(self.remedy.name().as_bytes(), out)
    }

    fn unpack(packed: &mut impl Read) -> io::Result<Self> {
        let (row, column, cell) = unpack_place(packed)?;
        let encoding = TextEncoding::of_name(&unpack_text(packed)?).ok_or_else(broken)?;
        let reason = unpack_text(packed)?;
        let remedy = Remedy::of_name(&unpack_text(packed)?).ok_or_else(broken)?;
        Ok(Self { row, column, cell, encoding, reason, remedy })
    }
}

impl Record for RejectedRow {
    fn size(&self) -> usize {
        self.size()
    }

    fn pack(&self, out: &mut impl Write) -> io::Result<()> {
        pack_name(&self.row, out)?;
        out.write_all(&(self.cells.len() as u64).to_be_bytes())?;
        self.cells.iter().try_for_each(|(cell, encoding)| {
            pack_cell(cell, out)?;
            pack_bytes(encoding.name().as_bytes(), out)
        })?;
        out.write_all(&(self.reasons.len() as u64).to_be_bytes())?;
        self.reasons.iter().try_for_each(|MisfitReason { column, reason, remedy }| {
            out.write_all(&(*column as u64).to_be_bytes())?;
            pack_bytes(reason.as_bytes(), out)?;
            pack_bytes(remedy.name().as_bytes(), out)
        })
    }

    fn unpack(packed: &mut impl Read) -> io::Result<Self> {
        let row = unpack_name(packed)?;
        let cells = (0..unpack_length(packed)?).map(|_| {
            let cell = unpack_cell(packed)?;
            let encoding = TextEncoding::of_name(&unpack_text(packed)?).ok_or_else(broken)?;
            Ok((cell, encoding))
        });
        let cells = cells.collect::<io::Result<_>>()?;
        let reasons = (0..unpack_length(packed)?).map(|_| {
            let (column, reason) = (unpack_length(packed)?, unpack_text(packed)?);
            let remedy = Remedy::of_name(&unpack_text(packed)?).ok_or_else(broken)?;
            Ok(MisfitReason { column, reason, remedy })
        });
        let reasons = reasons.collect::<io::Result<_>>()?;
        Ok(Self { row, cells, reasons })
    }
}

/// The name of a row.
impl Record for Vec<u8> {
    fn size(&self) -> usize {
        size_of::<Self>() + self.len()
    }

    fn pack(&self, out: &mut impl Write) -> io::Result<()> {
        pack_bytes(self, out)
    }

    fn unpack(packed: &mut impl Read) -> io::Result<Self> {
        unpack_bytes(packed)
    }
}

fn pack_place(
    row: &RowName,
    column: usize,
    cell: &RawCell,
    out: &mut impl Write,
) -> io::Result<()> {
    pack_name(row, out)?;
    out.write_all(&(column as u64).to_be_bytes())?;
    pack_cell(cell, out)
}

fn pack_name(row: &RowName, out: &mut impl Write) -> io::Result<()> {
    match row {
        RowName::Rowid(rowid) => {
            out.write_all(&[0])?;
            out.write_all(&rowid.to_be_bytes())?;
        }
        RowName::Cells(cells) => {
            out.write_all(&[1])?;
            out.write_all(&(cells.len() as u64).to_be_bytes())?;
            cells.iter().try_for_each(|cell| pack_cell(cell, out))?;
        }
    }
    Ok(())
}

fn unpack_place(packed: &mut impl Read) -> io::Result<(RowName, usize, RawCell)> {
    Ok((unpack_name(packed)?, unpack_length(packed)?, unpack_cell(packed)?))
}

fn unpack_name(packed: &mut impl Read) -> io::Result<RowName> {
    let [kind] = array(packed)?;
    if kind == 0 {
        return Ok(RowName::Rowid(i64::from_be_bytes(array(packed)?)));
    }
    let cells = unpack_length(packed)?;
    Ok(RowName::Cells((0..cells).map(|_| unpack_cell(packed)).collect::<io::Result<_>>()?))
}

fn pack_cell(cell: &RawCell, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[cell.class.code()])?;
    pack_bytes(&cell.bytes, out)
}

fn unpack_cell(packed: &mut impl Read) -> io::Result<RawCell> {
    let [code] = array(packed)?;
    let class = StorageClass::of_code(code).ok_or_else(broken)?;
    Ok(RawCell { class, bytes: unpack_bytes(packed)? })
}

fn pack_bytes(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    out.write_all(&(bytes.len() as u64).to_be_bytes())?;
    out.write_all(bytes)
}

fn unpack_bytes(packed: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; unpack_length(packed)?];
    packed.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn unpack_text(packed: &mut impl Read) -> io::Result<String> {
    String::from_utf8(unpack_bytes(packed)?).map_err(|_not_utf8| broken())
}

fn unpack_length(packed: &mut impl Read) -> io::Result<usize> {
    usize::try_from(u64::from_be_bytes(array(packed)?)).map_err(|_too_large| broken())
}

fn array<const BYTES: usize>(packed: &mut impl Read) -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    packed.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it does not hold what was written")
}

#[cfg(test)]
mod tests {
    use super::{HELD_MAX, Spool};
    use crate::model::{FormException, Misfit, RawCell, Remedy, RowName, TextEncoding};

    fn cells() -> [RawCell; 5] {
        let text = RawCell::text(b"a\0\xff");
        [RawCell::null(), RawCell::integer(-1), RawCell::real(0.5), text, RawCell::blob(&[])]
    }

    #[test]
    fn what_goes_in_comes_out_in_its_order_whether_it_is_in_memory_or_in_a_file() {
        for (times, on_disk) in [(1, false), (HELD_MAX / 100, true)] {
            let mut records = Vec::new();
            for (number, cell) in cells().into_iter().cycle().take(times * 5).enumerate() {
                let rowid = i64::try_from(number).unwrap() - 3;
                let row = match number % 2 {
                    0 => RowName::Rowid(rowid),
                    _ => RowName::Cells([vec![RawCell::integer(rowid)], cells().to_vec()].concat()),
                };
                let remedy = [Remedy::Reject, Remedy::Null, Remedy::Default, Remedy::Fail];
                let (reason, remedy) = (format!("not {number}"), remedy[number % 4]);
                let encoding = [TextEncoding::Utf8, TextEncoding::Utf16le, TextEncoding::Utf16be];
                let (column, encoding) = (number % 7, encoding[number % 3]);
                records.push(Misfit { row, column, cell, encoding, reason, remedy });
            }
            let mut spool = Spool::default();
            records.iter().for_each(|record| spool.add(record).unwrap());
            assert_eq!(spool.packed.get_ref().is_rolled(), on_disk);
            let mut read = spool.read().unwrap();
            let mut back = Vec::new();
            loop {
                let some = read.next_some(7, u64::MAX).unwrap();
                assert!(some.len() <= 7);
                if some.is_empty() {
                    break;
                }
                back.extend(some);
            }
            assert!(back == records);
        }
    }

    #[test]
    fn a_large_record_comes_alone() {
        let bytes = [1, 1, 5000, 1, 1];
        let mut spool = Spool::default();
        for bytes in bytes {
            let cell = RawCell::blob(&vec![7; bytes]);
            spool.add(&FormException { row: RowName::Rowid(1), column: 0, cell }).unwrap();
        }
        let mut read = spool.read().unwrap();
        let slices = std::iter::from_fn(|| {
            let some = read.next_some(100, 1000).unwrap();
            (!some.is_empty()).then_some(some.len())
        });
        assert_eq!(slices.collect::<Vec<_>>(), [2, 1, 2]);
    }
}
