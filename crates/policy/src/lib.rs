//! Decisions: pure functions of values, with time and chance as arguments. Nothing here knows a
//! session, a socket or a configuration file.

pub mod access;
pub mod address;
mod arena;
pub mod balance;
pub mod builtin;
pub mod cache;
pub mod flow;
pub mod geo;
pub mod guard;
mod hash;
pub mod hash_size;
pub mod kept;
pub mod limit_conn;
pub mod map;
mod names;
pub mod realip;
pub mod regex;
pub mod responder;
pub mod server_name;
pub mod split_clients;
pub mod template;
pub mod variables;
