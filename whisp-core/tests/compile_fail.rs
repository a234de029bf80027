//! What must not compile: without a permit nothing is read, and without a release nothing goes out.

#[test]
fn i8_what_the_permits_forbid_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
