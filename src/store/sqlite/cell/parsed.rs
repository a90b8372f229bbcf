//! Cells of texts that are read by their type's own rules: UUIDs, addresses, documents, labels.

use super::text::storable;
use super::{Fit, Reason, stray};
use crate::model::{CellShape, Column, Form, JsonForm, PgType, UuidForm};
use crate::row::{inet, json, uuid};
use arrow_array::ArrayRef;
use arrow_array::builder::{BinaryBuilder, FixedSizeBinaryBuilder, StringBuilder};
use rusqlite::types::ValueRef;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(in super::super) enum ParsedBuilder {
    /// None where the form is bytes.
    Uuid(FixedSizeBinaryBuilder, Option<UuidForm>),
    Inet(BinaryBuilder, Parse),
    /// Kept as it is written.
    Json(StringBuilder),
    /// Written anew by the server.
    Jsonb(StringBuilder, JsonForm),
    Label(StringBuilder, BTreeSet<String>),
}

type Parse = fn(&str) -> Option<(Vec<u8>, bool)>;

/// Bytes of a UUID.
const UUID_BYTES: i32 = 16;

impl ParsedBuilder {
    pub(super) fn new(column: &Column) -> Self {
        match (&column.read, column.pg, &column.form) {
            (CellShape::Uuid, _, form) => {
                let builder = FixedSizeBinaryBuilder::new(UUID_BYTES);
                match form {
                    Form::UuidBytes => Self::Uuid(builder, None),
                    Form::Uuid(form) => Self::Uuid(builder, Some(*form)),
                    _ => Self::Uuid(builder, Some(UuidForm::default())),
                }
            }
            (CellShape::Inet, PgType::Cidr, _) => {
                Self::Inet(BinaryBuilder::new(), inet::parse_cidr)
            }
            (CellShape::Inet, ..) => Self::Inet(BinaryBuilder::new(), inet::parse),
            (CellShape::Label, ..) => {
                let labels = column.enum_type.iter().flat_map(|named| named.labels.clone());
                Self::Label(StringBuilder::new(), labels.collect())
            }
            (_, PgType::Jsonb, Form::Json(form)) => Self::Jsonb(StringBuilder::new(), *form),
            (_, PgType::Jsonb, _) => Self::Jsonb(StringBuilder::new(), JsonForm::Spaced),
            _ => Self::Json(StringBuilder::new()),
        }
    }

    pub(super) fn append(&mut self, cell: ValueRef<'_>) -> Result<Fit, Reason> {
        let text = match (&mut *self, cell) {
            (Self::Uuid(builder, form), ValueRef::Blob(bytes)) => {
                let told = |_length| "it has not 16 bytes, as a UUID has";
                builder.append_value(bytes).map_err(told)?;
                return Ok(Fit { bytes: bytes.len(), in_form: form.is_none() });
            }
            (_, ValueRef::Text(bytes)) => storable(bytes)?,
            (_, cell) => return Err(stray(cell)),
        };
        let in_form = self.append_text(text)?;
        Ok(Fit { bytes: text.len(), in_form })
    }

    fn append_text(&mut self, text: &str) -> Result<bool, Reason> {
        match self {
            Self::Uuid(builder, form) => {
                let (bytes, _read) = uuid::parse(text).ok_or("it is no UUID")?;
                builder.append_value(bytes).map_err(|_length| "it is no UUID")?;
                Ok(form.is_some_and(|form| form.write(bytes) == text))
            }
            Self::Inet(builder, parse) => {
                let (body, exact) = parse(text).ok_or("it is no address")?;
                builder.append_value(body);
                Ok(exact)
            }
            Self::Json(builder) => {
                if !json::check(text) {
                    return Err("it is no JSON document");
                }
                builder.append_value(text);
                Ok(true)
            }
            Self::Jsonb(builder, form) => {
                let canonical =
                    json::canonical_jsonb(text).ok_or("it is no JSON document that jsonb takes")?;
                let in_form = form.write(&canonical) == text;
                builder.append_value(canonical);
                Ok(in_form)
            }
            Self::Label(builder, labels) => {
                if !labels.contains(text) {
                    return Err("it is none of the labels");
                }
                builder.append_value(text);
                Ok(true)
            }
        }
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Uuid(builder, _) => builder.append_null(),
            Self::Inet(builder, _) => builder.append_null(),
            Self::Json(builder) | Self::Jsonb(builder, _) | Self::Label(builder, _) => {
                builder.append_null();
            }
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Uuid(builder, _) => Arc::new(builder.finish()),
            Self::Inet(builder, _) => Arc::new(builder.finish()),
            Self::Json(builder) | Self::Jsonb(builder, _) | Self::Label(builder, _) => {
                Arc::new(builder.finish())
            }
        }
    }
}
