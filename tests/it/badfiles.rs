//! Files that are no databases, that are damaged, or that are made to do harm: what is said, what is saved, and that
//! nothing is created where nothing can be moved. Every file is made here, byte by byte where need be.

mod bombs;
mod damage;
mod refused;
mod salvaged;
