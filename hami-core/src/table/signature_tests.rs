//! Every row has the signature of the vendor's function: compared with bindgen's output, as text.

use std::collections::BTreeMap;

use super::*;

/// What a function takes and returns: types without paths and without the names of arguments.
type Signature = Vec<String>;

fn types(arguments: &str, result: &str) -> Signature {
    let plain = |ty: &str| {
        let (pointers, path) = ty.rsplit_once(' ').unwrap_or(("", ty));
        format!("{pointers} {}", path.rsplit("::").next().unwrap_or(path)).trim().to_owned()
    };
    let arguments = arguments.split(',').map(str::trim).filter(|argument| !argument.is_empty());
    let types = arguments.map(|argument| argument.split_once(": ").expect("an argument and its type").1);
    types.chain([result]).map(plain).collect()
}

/// Text on one line, a space between words.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The function types in bindgen's output, by the function's name.
fn declared(bindings: &str) -> BTreeMap<String, Signature> {
    let declarations = bindings.split("pub type PFN_").skip(1).filter_map(|declaration| {
        let declaration = on_one_line(declaration.split(';').next()?);
        let (name, function) = declaration.split_once(" = ")?;
        let (arguments, result) = function.split_once("fn(")?.1.split_once(") -> ")?;
        Some((name.to_owned(), types(arguments, result.trim_end_matches([',', '>', ' ']))))
    });
    declarations.collect()
}

/// The rows of one file of the table, by name.
fn written(table: &str) -> BTreeMap<String, Signature> {
    let code: String = table.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let (_, rows) = code.split_once("\nrows! {").expect("the table's rows");
    let (head, rows) = rows.split_once(';').expect("the table's head");
    let result =
        on_one_line(head).split_once("result ").expect("the table's result").1.split(',').next().unwrap().to_owned();
    let row = |row: &str| {
        let row = on_one_line(row);
        let (words, rest) = row.split_once('(')?;
        let (arguments, _) = rest.split_once(") =>")?;
        Some((words.split(' ').nth(1)?.to_owned(), types(arguments, &result)))
    };
    rows.split(';').filter_map(row).collect()
}

/// Rows of a file that differ from the declarations, each with both signatures.
fn differences(table: &str, bindings: &str) -> Vec<String> {
    let declared = declared(bindings);
    let of_any_stream = |name: &str| name.trim_end_matches("_ptsz").trim_end_matches("_ptds").to_owned();
    let differs = |(name, ours): (String, Signature)| {
        let theirs = declared.get(&name).or_else(|| declared.get(&of_any_stream(&name)));
        (theirs != Some(&ours)).then(|| format!("{name}: {ours:?}, and the vendor has {theirs:?}"))
    };
    written(table).into_iter().filter_map(differs).collect()
}

const TABLES: [(&str, &str); 4] = [
    (include_str!("cuda.rs"), include_str!("../../../ffi-headers/src/cuda.rs")),
    (include_str!("work.rs"), include_str!("../../../ffi-headers/src/cuda.rs")),
    (include_str!("stream.rs"), include_str!("../../../ffi-headers/src/cuda.rs")),
    (include_str!("nvml.rs"), include_str!("../../../ffi-headers/src/nvml.rs")),
];

#[test]
fn every_row_has_the_signature_of_the_header() {
    let mut read = 0;
    for (table, bindings) in TABLES {
        let differences = differences(table, bindings);
        assert!(differences.is_empty(), "  {}", differences.join("\n  "));
        read += written(table).len();
    }
    assert_eq!(read, rows().count(), "a row could not be read here, or is in another file");
}

#[test]
fn a_wrong_signature_is_noticed() {
    let bindings = "pub type PFN_cuMemFree = ::core::option::Option<\n    unsafe extern \"C\" fn(dptr: CUdeviceptr_v1, \
                    size: *mut ::core::ffi::c_uint) -> CUresult,\n>;\n";
    let row = |arguments: &str| {
        format!(
            "\nrows! {{\n    library Cuda, result CUresult, missing A, panic B;\n    account cuMemFree as c\"cuMemFree\" @ 2000\n        ({arguments}) => free;\n}}\n"
        )
    };
    assert_eq!(differences(&row("p: CUdeviceptr_v1, size: *mut c_uint"), bindings), Vec::<String>::new());
    for wrong in
        ["p: CUdeviceptr, size: *mut c_uint", "p: CUdeviceptr_v1, size: *const c_uint", "p: CUdeviceptr_v1", ""]
    {
        assert_eq!(differences(&row(wrong), bindings).len(), 1, "{wrong}");
    }
}
