"""report"""
def write_report(folder, corpus): pass
