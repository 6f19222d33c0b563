from weasyprint import HTML

print(HTML(string="<p>works</p>").write_pdf()[:4].decode())
