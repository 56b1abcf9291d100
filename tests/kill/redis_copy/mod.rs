//! Daemons with a copy in Redis, through what happens to Redis and to the daemon. The clients of this suite judge each of
//! them, and a daemon whose folder is restored from Redis.

mod case;
mod copied_state;
mod kills;
mod outages;
mod replicas;
mod servers_lost;
mod two_daemons;
