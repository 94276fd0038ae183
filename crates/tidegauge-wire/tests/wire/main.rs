//! Whole exchanges through the public door: bytes in, observation out.

#[cfg(test)]
mod cassettes;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod own;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod speed;
mod texts;
#[cfg(test)]
mod words;
