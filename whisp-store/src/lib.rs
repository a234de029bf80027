//! whisp-store
