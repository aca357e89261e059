//! Server and client against each other in memory.
