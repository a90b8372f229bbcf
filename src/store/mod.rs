//! The stores: what holds rows and can give or take them.

pub mod postgres;
