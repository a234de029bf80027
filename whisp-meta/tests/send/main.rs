//! What goes out on the three channels, against the simulator, the recorded requests and Meta's OpenAPI document.

mod faults;
mod limits;
mod openapi;
mod privacy;
mod requests;
mod world;
