//! whisp-ai
