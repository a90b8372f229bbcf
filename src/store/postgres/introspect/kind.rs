//! The server's type of a column, as a type that liteferry writes.

use crate::model::{NumericSize, PgType};

/// What the catalog says of a column's type.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerType<'a> {
    /// The type's OID.
    pub(super) oid: u32,
    /// Its modifier: -1 where there is none.
    pub(super) modifier: i32,
    /// The type as the server writes it.
    pub(super) name: &'a str,
}

/// Bytes that the modifiers of texts and numerics count before their own.
const HEADER: i32 = 4;

impl ServerType<'_> {
    /// The type that liteferry writes there; none where it cannot. One line a type.
    pub(super) fn pg(self) -> Option<PgType> {
        match (self.oid, self.modifier, self.name) {
            (16, ..) => Some(PgType::Bool),
            (17, ..) => Some(PgType::Bytea),
            (20, ..) => Some(PgType::Int8),
            (701, ..) => Some(PgType::Float8),
            (1042, HEADER.., _) => Some(PgType::Char(self.chars()?)),
            // Without a length varchar holds what text holds, and by the same bytes.
            (25, ..) | (1043, -1, _) => Some(PgType::Text),
            (1043, HEADER.., _) => Some(PgType::Varchar(self.chars()?)),
            (1082, ..) => Some(PgType::Date),
            (1114, -1 | 6, _) => Some(PgType::Timestamp),
            (1184, -1 | 6, _) => Some(PgType::Timestamptz),
            (1700, -1, _) => Some(PgType::Numeric(None)),
            (1700, HEADER.., _) => Some(PgType::Numeric(Some(self.size()?))),
            _ => None,
        }
    }

    /// The length of a text, in characters.
    fn chars(self) -> Option<u32> {
        u32::try_from(self.modifier - HEADER).ok().filter(|&chars| chars > 0)
    }

    /// The size of a decimal. A scale below zero or above the precision is not among those that liteferry writes.
    fn size(self) -> Option<NumericSize> {
        let packed = self.modifier - HEADER;
        let precision = u16::try_from((packed >> 16) & 0xffff).ok()?;
        let scale = u16::try_from(packed & 0x7ff).ok()?;
        (scale <= precision).then_some(NumericSize { precision, scale })
    }
}

#[cfg(test)]
mod tests {
    use super::ServerType;
    use crate::model::{NumericSize, PgType};

    fn pg(oid: u32, modifier: i32) -> Option<PgType> {
        ServerType { oid, modifier, name: "" }.pg()
    }

    #[test]
    fn a_modifier_says_how_long_a_value_may_be() {
        assert_eq!(pg(1043, 24), Some(PgType::Varchar(20)));
        assert_eq!(pg(1043, -1), Some(PgType::Text));
        assert_eq!(pg(1042, 7), Some(PgType::Char(3)));
        let size = NumericSize { precision: 20, scale: 8 };
        assert_eq!(pg(1700, (20 << 16 | 8) + 4), Some(PgType::Numeric(Some(size))));
    }

    #[test]
    fn what_would_be_rounded_by_the_server_is_not_written() {
        // timestamp(3), timestamptz(0), numeric(3, -2), numeric(2, 4)
        for (oid, modifier) in
            [(1114, 3), (1184, 0), (1700, (3 << 16 | (-2 & 0x7ff)) + 4), (1700, (2 << 16 | 4) + 4)]
        {
            assert_eq!(pg(oid, modifier), None, "{oid} {modifier}");
        }
    }

    #[test]
    fn a_type_that_is_not_known_is_none() {
        assert_eq!(pg(600, -1), None);
        assert_eq!(pg(1042, -1), None);
    }
}
