//! What `plan` says, beyond what is done: both ends checked, sizes, estimates and advice.
