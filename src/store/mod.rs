//! The stores: what holds rows.

pub mod postgres;
