//! The tree beside its definition in RFC 6962, 2.1, written down as it stands there.

use proptest::prelude::*;

use super::*;

/// `MTH(D[n])`.
fn mth(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => TreeHash::of(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(largest_power_below(leaves.len()));
            TreeHash::of_pair(mth(left), mth(right))
        }
    }
}

/// `PATH(m, D[n])`.
fn path(m: usize, leaves: &[TreeHash]) -> Vec<TreeHash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let k = largest_power_below(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, sibling) = if m < k { (path(m, left), mth(right)) } else { (path(m - k, right), mth(left)) };
    path.push(sibling);
    path
}

/// `SUBPROOF(m, D[n], b)`.
fn subproof(m: usize, leaves: &[TreeHash], whole: bool) -> Vec<TreeHash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = largest_power_below(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) =
        if m <= k { (subproof(m, left, whole), mth(right)) } else { (subproof(m - k, right, false), mth(left)) };
    proof.push(sibling);
    proof
}

fn largest_power_below(n: usize) -> usize {
    n.next_power_of_two() / 2
}

fn leaves(count: u64) -> Vec<TreeHash> {
    (0..count).map(|n| TreeHash::of_leaf(&n.to_be_bytes())).collect()
}

/// What the arithmetic over ranges makes of leaves.
fn hashes(ranges: &[Leaves], leaves: &[TreeHash]) -> Vec<TreeHash> {
    let part = |from: u64, until: u64| &leaves[usize::try_from(from).unwrap()..usize::try_from(until).unwrap()];
    ranges
        .iter()
        .map(|range| {
            let whole = range.nodes().into_iter().map(|node| {
                assert_eq!((node.index << node.level) >> node.level, node.index);
                mth(part(node.index << node.level, (node.index + 1) << node.level))
            });
            let hash = root_of(&whole.collect::<Vec<_>>());
            assert_eq!(hash, mth(part(range.from, range.until)));
            hash
        })
        .collect()
}

fn hex(hash: TreeHash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The leaves and roots that the implementations of Certificate Transparency are tested with.
#[test]
fn the_published_roots_of_zero_to_eight_leaves_are_ours() {
    let inputs: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let leaves: Vec<TreeHash> = inputs.iter().map(|input| TreeHash::of_leaf(input)).collect();
    for (size, root) in (0_u64..).zip(roots) {
        let whole = Leaves { from: 0, until: size };
        let ours = hashes(&[whole], &leaves)[0];
        assert_eq!(hex(ours), root, "{size} leaves");
    }
    assert_eq!(TreeHash::EMPTY, TreeHash::of(&[]));
}

#[test]
fn every_proof_of_every_small_tree_is_that_of_the_definition_and_holds_for_nothing_else() {
    let all = leaves(33);
    for size in 0..all.len() {
        let tree = &all[..size];
        let root = mth(tree);
        for index in 0..size {
            let proof = hashes(&inclusion(index as u64, size as u64), tree);
            assert_eq!(proof, path(index, tree), "leaf {index} of {size}");
            for (place, leaf) in tree.iter().enumerate() {
                for other in [place, index] {
                    let holds = includes(root, size as u64, other as u64, *leaf, &proof);
                    assert_eq!(holds, place == index && other == index, "{place} at {other} for {index} of {size}");
                }
            }
        }
        for old in 0..=size {
            let proof = hashes(&consistency(old as u64, size as u64), tree);
            let definition = if old == 0 { Vec::new() } else { subproof(old, tree, true) };
            assert_eq!(proof, definition, "{old} of {size}");
            for other in 0..=size {
                let was = (other as u64, mth(&tree[..other]));
                let holds = goes_on(was, (size as u64, root), &proof);
                let trivial = other == 0 && proof.is_empty();
                assert!(holds || other != old, "{old} of {size}");
                assert!(
                    !holds || other == old || trivial || other == size && proof.is_empty(),
                    "{other}: {old} of {size}"
                );
                if old > 0 {
                    let forked = (old as u64, TreeHash::of_leaf(b"another"));
                    assert!(!goes_on(forked, (size as u64, root), &proof));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn a_proof_of_any_tree_holds_and_a_changed_one_does_not(
        size in 1_u64..700, index: u64, old: u64, at: prop::sample::Index, bit in 0_usize..256, cut: bool,
    ) {
        let all = leaves(size);
        let (index, old) = (index % size, old % size + 1);
        let root = mth(&all);
        let leaf = all[usize::try_from(index).unwrap()];
        let inside = hashes(&inclusion(index, size), &all);
        prop_assert!(includes(root, size, index, leaf, &inside));
        prop_assert!(!includes(root, size, size, leaf, &inside));
        let was = (old, mth(&all[..usize::try_from(old).unwrap()]));
        let further = hashes(&consistency(old, size), &all);
        prop_assert!(goes_on(was, (size, root), &further));
        prop_assert!(old == size || !goes_on((size, root), was, &further));
        for (path, holds) in [
            (inside, &(|path: &[TreeHash]| includes(root, size, index, leaf, path)) as &dyn Fn(&[TreeHash]) -> bool),
            (further, &(|path: &[TreeHash]| goes_on(was, (size, root), path))),
        ] {
            if path.is_empty() {
                continue;
            }
            let place = at.index(path.len());
            let mut changed = path.clone();
            if cut {
                changed.remove(place);
            } else {
                changed[place].0[bit / 8] ^= 1 << (bit % 8);
            }
            prop_assert!(!holds(&changed));
            let longer = [path, vec![root]].concat();
            prop_assert!(!holds(&longer));
        }
    }

    #[test]
    fn no_proof_makes_it_panic(size: u64, index: u64, old: u64, count in 0_usize..70) {
        let path = vec![TreeHash::EMPTY; count];
        let leaf = TreeHash::of_leaf(b"a");
        prop_assert!(!includes(leaf, size, index, leaf, &path) || (size, index) == (1, 0));
        // The root of no such path is the hash of nothing.
        prop_assert!(!goes_on((old, leaf), (size, TreeHash::EMPTY), &path) || old == 0 && count == 0);
        if index < size {
            prop_assert!(inclusion(index, size).len() <= 64);
        }
        prop_assert!(consistency(old, size).len() <= 65);
    }
}

#[test]
fn a_hash_is_written_as_base64_and_nothing_else_is_read() {
    let hash = TreeHash::of_leaf(b"a");
    let text = hash.to_string();
    assert_eq!(text.parse(), Ok(hash));
    assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<TreeHash>(&format!("\"{text}\"")).unwrap(), hash);
    for wrong in ["", "AA==", &text[1..], &format!("{text} "), &text.replace('=', "")] {
        assert_eq!(wrong.parse::<TreeHash>(), Err(InvalidHash), "{wrong:?}");
    }
}
