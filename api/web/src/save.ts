// A file that this page made, for the reader's disk.

export function save(content: Blob, file: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const saveText = (text: string, file: string, type: string): void => save(new Blob([text], { type }), file);
