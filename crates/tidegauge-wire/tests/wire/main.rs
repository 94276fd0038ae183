//! Whole exchanges through the public door: bytes in, observation out.

#[cfg(test)]
mod cassettes;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod made_up;
#[cfg(test)]
mod own;
#[cfg(test)]
#[expect(unreachable_pub, reason = "a library of its own elsewhere")]
#[path = "../../../../tests/fuzz/src/pieces.rs"]
mod pieces;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod speed;
#[cfg(test)]
#[expect(unreachable_pub, reason = "a library of its own elsewhere")]
#[path = "../../../../tests/fuzz/src/wire.rs"]
mod targets;
mod texts;
#[cfg(test)]
mod words;
