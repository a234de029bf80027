//! whisp-meta
